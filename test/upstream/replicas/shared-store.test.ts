import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRedisStore } from '../../../src/upstream/replicas/redis-store.ts';
import {
  type Asked,
  type AskedResource,
  LOCK_MS,
  type SharedStore,
  type Told,
} from '../../../src/upstream/replicas/shared-store.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { redisIsSkipped, startRedisUntilEnd } from '../../support/redis.ts';
import { createMemoryWorld } from './memory-store.ts';

/** A store with replicas, and what a test does to it. */
interface World {
  storeOf(replica: string): Promise<SharedStore>;
  /** Lets everything expire that lasts no longer. */
  expire(ms: number): Promise<void>;
  empty(): Promise<void>;
  /** Sets the latest moment that the store knows this far ahead, as if its clock had stepped back. */
  stepBack(ms: number): Promise<void>;
}

function inMemory(): Promise<World> {
  const clock = createManualClock();
  let marks = 0;
  const world = createMemoryWorld(clock, () => `mark ${++marks}`);
  return Promise.resolve({
    storeOf: (replica) => Promise.resolve(world.storeOf(replica)),
    expire: (ms) => Promise.resolve(clock.advance(ms)),
    empty: () => Promise.resolve(world.empty()),
    stepBack: (ms) => Promise.resolve(void world.stepClock(-ms)),
  });
}

async function inRedis(): Promise<World> {
  const { url } = await startRedisUntilEnd();
  const redis = new Redis(url.href);
  onTestFinished(() => redis.disconnect());
  return {
    async storeOf(replica) {
      let connected = (): void => undefined;
      const isThere = new Promise<void>((resolve) => (connected = resolve));
      const store = await createRedisStore({ url, timeoutMs: 5_000, replica, onConnection: connected });
      onTestFinished(() => store.close());
      await isThere;
      return store;
    },
    async expire(ms) {
      for (const key of await redis.keys('*')) await redis.pexpire(key, (await redis.pttl(key)) - ms);
    },
    async empty() {
      await redis.flushall();
    },
    async stepBack(ms) {
      await redis.hincrby('backfill-gateway:clock', 'at', ms);
    },
  };
}

const CREDENTIAL = { names: ['credential'], version: '' } as const;
const TEAM = { names: ['team'], version: '' } as const;
const HOUR = ['hour'] as const;
const sealed = Buffer.from([0, 1, 255, 13, 10]);

function asking(...resources: readonly Partial<AskedResource>[]): Asked {
  return {
    credential: CREDENTIAL,
    team: TEAM,
    hour: HOUR,
    resources: resources.map((resource) => ({
      names: ['row'],
      since: 0,
      holder: undefined,
      waitsFor: undefined,
      ...resource,
    })),
  };
}

function marksIn(told: Told): readonly string[] {
  const [first] = told.resources;
  if (first?.state !== 'mine') throw new Error(`the asker has no lock, but ${first?.state}`);
  return first.marks;
}

/** What the holder was answered. */
function finished(
  told: Told,
  holder: string,
  lifeMs = 60_000,
  at = told.now,
): Parameters<SharedStore['finish']>[0] {
  return {
    names: ['row'],
    holder,
    credential: { names: CREDENTIAL.names, marks: told.credential.marks },
    team: { names: TEAM.names, marks: told.team.marks },
    marks: marksIn(told),
    epoch: told.epoch,
    outcome: { kind: 'value', sealed, at, lifeMs },
  };
}

async function callsOf(store: SharedStore): Promise<number> {
  const none = { misses: 0, refreshes: 0, resyncs: 0 };
  const { hours } = await store.report([{ hour: HOUR, foreseen: none, from: 0, remembered: new Map() }]);
  return [...(hours[0]?.calls.values() ?? [])].reduce((sum, calls) => sum + calls, 0);
}

const WORLDS = [
  ['the store in memory', inMemory, false],
  ['the store in Redis', inRedis, redisIsSkipped()],
] as const;

describe.each(WORLDS)('%s', (_name, createWorld, isSkipped) => {
  describe.skipIf(isSkipped)('for replicas', () => {
    it('gives the lock of a resource to one of them, and counts one call', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      expect((await one.ask(asking({ holder: 'A' }))).resources).toMatchObject([{ state: 'mine' }]);
      expect((await other.ask(asking({ holder: 'B' }))).resources).toEqual([{ state: 'held', holder: 'A' }]);
      expect(await callsOf(other)).toBe(1);
    });

    it('tells what a call was answered to those who ask later, byte for byte, where it is recent enough', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      const told = await one.ask(asking({ holder: 'A' }));
      await one.finish(finished(told, 'A'));
      const later = await other.ask(asking({}, { since: told.now + 1 }, { since: Infinity }));
      expect(later.resources).toEqual([
        { state: 'value', marks: marksIn(told), under: 0, at: told.now, sealed },
        { state: 'none' },
        { state: 'none' },
      ]);
      expect((await other.ask(asking({ since: Infinity, holder: 'B' }))).resources).toMatchObject([
        { state: 'mine' },
      ]);
    });

    it('tells all who listen what has changed', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      const news: string[] = [];
      other.onNews((names = []) => void news.push(...names));
      await one.finish(finished(await one.ask(asking({ holder: 'A' })), 'A'));
      await expect.poll(() => news).toEqual(['row']);
    });

    it('gives the lock of one that does not renew it to another', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      await store.ask(asking({ holder: 'A' }));
      await world.expire(LOCK_MS - 200);
      await store.renew([{ names: ['row'], holder: 'A' }]);
      await world.expire(LOCK_MS - 200);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'held' }]);
      await world.expire(LOCK_MS);
      await store.renew([{ names: ['row'], holder: 'A' }]);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'mine' }]);
    });

    it('gives a lock that was released to another, and takes none away from who has it', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      await store.ask(asking({ holder: 'A' }));
      await store.release([{ names: ['row'], holder: 'B' }]);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'held' }]);
      await store.release([{ names: ['row'], holder: 'A' }]);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'mine' }]);
    });

    it('tells those who waited for a call how it failed, and nobody else', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await store.finish({ ...finished(told, 'A'), outcome: { kind: 'failure', sealed } });
      const { resources } = await store.ask(asking({ waitsFor: 'A' }, { holder: 'B' }));
      expect(resources).toMatchObject([{ state: 'failed', sealed }, { state: 'mine' }]);
    });

    it.each(['credential', 'team', 'resource'] as const)(
      'keeps nothing, and gives nothing out under the same marks, that was asked for before a change of the %s',
      async (of) => {
        const world = await createWorld();
        const store = await world.storeOf('one');
        const names = { credential: ['credential'], team: ['team'], resource: ['row'] } as const;
        const told = await store.ask(asking({ holder: 'A' }));
        await store.change({ marks: [{ of, names: names[of] }] });
        await store.finish(finished(told, 'A'));
        const { resources, credential, team } = await store.ask(asking({ holder: 'B' }));
        expect(resources).toMatchObject([{ state: 'mine' }]);
        const marks = [told.credential.marks, told.team.marks, marksIn(told)];
        expect([credential.marks, team.marks, (resources[0] as { marks: unknown }).marks]).not.toEqual(marks);
      },
    );

    it('drops a resource that has changed', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      await store.finish(finished(await store.ask(asking({ holder: 'A' })), 'A'));
      await store.change({ marks: [{ of: 'resource', names: ['row'] }] });
      expect((await store.ask(asking({}))).resources).toEqual([{ state: 'none' }]);
    });

    it('keeps the later of two answers', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await store.finish(finished(told, 'A', 60_000, told.now + 5));
      await store.finish(finished(told, 'A', 60_000, told.now));
      expect((await store.ask(asking({}))).resources).toMatchObject([{ at: told.now + 5 }]);
    });

    it('lets no call begin for one who does not know the standing, and tells it', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const standing = { names: CREDENTIAL.names, sealed: [sealed], lifeMs: 60_000 };
      await store.change({ marks: [], standing });
      const { resources, credential } = await store.ask(asking({ holder: 'A' }));
      expect(resources).toEqual([{ state: 'look' }]);
      expect(credential.remembered).toEqual({ sealed, under: 0 });
      expect(await callsOf(store)).toBe(0);
      const { version } = credential;
      const again = await store.ask({
        ...asking({ holder: 'A' }),
        credential: { names: CREDENTIAL.names, version },
      });
      expect(again.resources).toMatchObject([{ state: 'mine' }]);
    });

    it('counts further exchanges, and takes over what replicas remember where it has forgotten', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const { now } = await store.ask(asking({ holder: 'A' }));
      await store.count(HOUR, 2);
      expect(await callsOf(store)).toBe(3);
      await world.empty();
      const minute = Math.floor(now / 60_000);
      const remembered = new Map([
        [minute, 3],
        [minute - 1, 4],
        [minute - 100, 5],
      ]);
      const none = { misses: 0, refreshes: 0, resyncs: 0 };
      await store.report([{ hour: HOUR, foreseen: none, from: minute, remembered }]);
      expect(await callsOf(store)).toBe(7);
    });

    it('sums what all replicas foresee, and tells how many there are', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      const report = { hour: HOUR, from: 0, remembered: new Map<number, number>() };
      await one.report([{ ...report, foreseen: { misses: 1.5, refreshes: 2, resyncs: 3 } }]);
      const survey = await other.report([{ ...report, foreseen: { misses: 10, refreshes: 20, resyncs: 30 } }]);
      expect(survey.replicas).toBe(2);
      expect(survey.hours[0]?.foreseen).toEqual({ misses: 11.5, refreshes: 22, resyncs: 33 });
    });

    it('begins another epoch where its clock steps back, and where it was emptied', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await world.stepBack(60_000);
      const stepped = await store.ask(asking({}));
      expect(stepped.epoch).not.toBe(told.epoch);
      expect((await store.ask(asking({}))).epoch).toBe(stepped.epoch);
      await store.finish(finished(told, 'A'));
      expect((await store.ask(asking({}))).resources).toEqual([{ state: 'none' }]);
      await world.empty();
      expect((await store.ask(asking({}))).epoch).not.toBe(stepped.epoch);
    });

    it('reads under both names while a secret is replaced, and locks and counts under both', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await store.finish(finished(told, 'A'));
      const both: Asked = {
        credential: { names: ['new credential', 'credential'], version: ',' },
        team: { names: ['new team', 'team'], version: ',' },
        hour: ['new hour', 'hour'],
        resources: [
          { names: ['new row', 'row'], since: 0, holder: undefined, waitsFor: undefined },
          { names: ['new row', 'row'], since: Infinity, holder: 'B', waitsFor: undefined },
        ],
      };
      const { resources } = await store.ask(both);
      expect(resources).toMatchObject([{ state: 'value', under: 1 }, { state: 'mine' }]);
      expect((await store.ask(asking({ since: Infinity, holder: 'C' }))).resources).toMatchObject([
        { state: 'held', holder: 'B' },
      ]);
      expect(await callsOf(store)).toBe(2);
    });
  });
});
