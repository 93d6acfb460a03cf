import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WebSocket } from 'ws';
import { createLatch } from '../../harness.ts';
import { wayTo } from '../../support/balanced-clients.ts';
import { isSkipped, startUntilEnd } from '../../support/balancer-places.ts';
import {
  type Balancer,
  type BalancerProgram,
  haproxyBounded,
  haproxyByCredential,
} from '../../support/balancers.ts';
import { serve } from '../../support/serve.ts';

/** What answers in the place of a gateway. */
interface Place {
  readonly port: number;
  isReady: boolean;
  /** How many requests it took, by their tokens, and those without a token by their paths. */
  readonly taken: Map<string, number>;
}

interface Scene {
  readonly balancer: Balancer;
  readonly places: readonly Place[];
  /** Asks once with each header, from the nth address of this machine. */
  ask(authorizations: readonly string[], n?: number): Promise<void>;
  /** Which place took what, by its number, since the last time. Fails where several took the same. */
  whereabouts(): ReadonlyMap<string, number>;
}

/** @param until what requests wait for before they are answered */
async function startScene(program: BalancerProgram, size: 2 | 3, until?: Promise<unknown>): Promise<Scene> {
  const places = await Promise.all(Array.from({ length: size }, () => startPlace(until)));
  const [first = 0, second = 0, ...further] = places.map(({ port }) => port);
  const balancer = await startUntilEnd(program, [first, second, ...further]);
  return {
    balancer,
    places,
    async ask(authorizations, n = 0) {
      const way = { host: '127.0.0.1', port: balancer.port, path: '/graphql', ...wayTo(balancer, n) };
      const agent = new Agent({ keepAlive: true, maxSockets: 32 });
      const statuses = authorizations.map(async (authorization) => {
        const asked = request({ ...way, agent, headers: { authorization } }).end();
        const [answer] = (await once(asked, 'response')) as [IncomingMessage];
        return answer.resume().statusCode;
      });
      expect(new Set(await Promise.all(statuses))).toEqual(new Set([200]));
      agent.destroy();
    },
    whereabouts() {
      const found = places.flatMap(({ taken }, place) =>
        [...taken.keys()].map((name) => [name, place] as const),
      );
      for (const { taken } of places) taken.clear();
      const known = new Map(found);
      expect(known.size).toBe(found.length);
      return known;
    },
  };
}

async function startPlace(until?: Promise<unknown>): Promise<Place> {
  const take = ({ headers: { authorization }, url = '' }: IncomingMessage): void => {
    const name = authorization?.split(' ').at(-1) ?? url;
    place.taken.set(name, (place.taken.get(name) ?? 0) + 1);
  };
  const origin = await serve(
    (incoming, response) => {
      if (incoming.url === '/ready') response.writeHead(place.isReady ? 200 : 503).end();
      else {
        take(incoming);
        void Promise.resolve(until).then(() => response.end());
      }
    },
    (incoming, socket) => {
      take(incoming);
      socket.destroy();
    },
  );
  const place: Place = { port: Number(new URL(origin).port), isReady: true, taken: new Map() };
  return place;
}

const credentials = (count: number): readonly string[] =>
  Array.from({ length: count }, (_, n) => `Bearer token-${n}`);

function countsOf(whereabouts: ReadonlyMap<string, number>): readonly number[] {
  const places = [...whereabouts.values()];
  return [0, 1].map((place) => places.filter((each) => each === place).length);
}

describe.skipIf(isSkipped(haproxyByCredential))('HAProxy, where it hashes the credential', () => {
  it.each([
    [1, 0],
    [50, 15],
    [400, 160],
  ])(
    'keeps each of %i credentials at one gateway, whoever brings it, and spreads them: at least %i are at each',
    async (count, least) => {
      const { ask, whereabouts } = await startScene(haproxyByCredential, 2);
      const all = credentials(count);
      await ask(all, 0);
      await ask(all, 1);
      // The gateway takes these for the same credential.
      await ask(
        all.map((each) => each.replace('Bearer ', 'bEARER  ')),
        2,
      );
      const found = whereabouts();
      expect(found.size).toBe(count);
      for (const taken of countsOf(found)) expect(taken).toBeGreaterThanOrEqual(least);
    },
  );

  it('moves the credentials of a gateway that stops to the others, and no other credential', async () => {
    const { ask, whereabouts, places } = await startScene(haproxyByCredential, 3);
    const [first] = places;
    if (first === undefined) throw new Error('there are three');
    const look = async (): Promise<ReadonlyMap<string, number>> => {
      await ask(credentials(50));
      return whereabouts();
    };
    const before = await look();
    first.isReady = false;
    await expect.poll(async () => [...(await look()).values()], { timeout: 10_000 }).not.toContain(0);
    const without = await look();
    const moved = [...before].filter(([token, place]) => without.get(token) !== place);
    expect(moved.length).toBeGreaterThan(0);
    for (const [, place] of moved) expect(place).toBe(0);
    expect(new Set(moved.map(([token]) => without.get(token)))).toEqual(new Set([1, 2]));
    first.isReady = true;
    await expect.poll(look, { timeout: 10_000 }).toEqual(before);
  });

  it('chooses for the handshakes of browsers by the address, since their credential comes later', async () => {
    const { balancer, whereabouts } = await startScene(haproxyByCredential, 2);
    const shake = async (n: number): Promise<void> => {
      const url = `wss://127.0.0.1:${balancer.port}/graphql?from=${n}`;
      const socket = new WebSocket(url, 'graphql-transport-ws', wayTo(balancer, n));
      onTestFinished(() => socket.terminate());
      // What stands in for a gateway takes the handshake and answers nothing.
      await once(socket, 'error');
    };
    for (let times = 0; times < 2; times++) await Promise.all(Array.from({ length: 20 }, (_, n) => shake(n)));
    const found = whereabouts();
    expect(found.size).toBe(20);
    for (const taken of countsOf(found)) expect(taken).toBeGreaterThan(0);
  });

  it('sends all that one credential asks at once to its gateway', async () => {
    const latch = createLatch();
    const { ask, places } = await startScene(haproxyByCredential, 2, latch.opened);
    const asked = ask(Array<string>(20).fill('Bearer hot'));
    await expect.poll(() => takenAt(places)).toEqual([0, 20]);
    latch.open();
    await asked;
  });
});

function takenAt(places: readonly Place[]): readonly number[] {
  return places.map(({ taken }) => taken.get('hot') ?? 0).sort((a, b) => a - b);
}

describe.skipIf(isSkipped(haproxyBounded))('HAProxy, where it bounds the load besides', () => {
  it('sends what one credential asks at once to the other gateway too, and so no more than its part to its own', async () => {
    const latch = createLatch();
    const { ask, places } = await startScene(haproxyBounded, 2, latch.opened);
    const asked = ask(Array<string>(20).fill('Bearer hot'));
    // Of 20, each takes at most 1.25 times its half.
    await expect.poll(() => takenAt(places).reduce((sum, taken) => sum + taken)).toBe(20);
    const [less = 0, more = 0] = takenAt(places);
    expect(less).toBeGreaterThanOrEqual(7);
    expect(more).toBeLessThanOrEqual(13);
    latch.open();
    await asked;
  });

  it('keeps a credential at one gateway that asks one thing after the other', async () => {
    const { ask, whereabouts } = await startScene(haproxyBounded, 2);
    for (let times = 0; times < 5; times++) for (const each of credentials(10)) await ask([each]);
    expect(new Set(whereabouts().values())).toEqual(new Set([0, 1]));
  });
});
