import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import { connect as connectHttp2 } from 'node:http2';
import { request } from 'node:https';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { startStack } from '../../harness.ts';
import {
  type Answer,
  type Event,
  overHttp1,
  overHttp2,
  overSse,
  overWebSocket,
  type Subscribe,
  wayTo,
} from '../../support/balanced-clients.ts';
import { isSkipped, startUntilEnd } from '../../support/balancer-places.ts';
import { type Balancer, haproxy, nginx } from '../../support/balancers.ts';
import { serve } from '../../support/serve.ts';
import { nextPoll } from '../../support/streams.ts';

const SKIPPED = new Set([nginx, haproxy].filter(isSkipped));

const QUERY = JSON.stringify({ query: '{ __typename }' });
const ANSWER = { status: 200, body: '{"data":{"__typename":"Query"}}' };

const portOf = (origin: string): number => Number(new URL(origin).port);

/** Asks for a path over HTTP/1.1. */
async function get(balancer: Balancer, path: string): Promise<IncomingMessage> {
  const asked = request({ ...wayTo(balancer, 0), host: '127.0.0.1', port: balancer.port, path }).end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  return answer.resume();
}

/** Asks a query over HTTP/1.1, from one of many addresses. */
async function askFrom(balancer: Balancer, n: number): Promise<Answer> {
  const client = overHttp1(`127.0.0.1:${balancer.port}`, wayTo(balancer, n));
  const answer = await client.ask(QUERY);
  client.close();
  return answer;
}

describe.each([nginx, haproxy].map((program) => [program.name, program] as const))('%s', (_name, program) => {
  describe.skipIf(SKIPPED.has(program))('with the recipe', () => {
    it.each([
      ['HTTP/1.1', overHttp1],
      ['HTTP/2', overHttp2],
    ])('passes on queries over %s', async (_protocol, open) => {
      const { origin } = await startStack();
      const balancer = await startUntilEnd(program, [portOf(origin), portOf(origin)]);
      const client = open(`127.0.0.1:${balancer.port}`, wayTo(balancer, 0));
      onTestFinished(() => client.close());
      expect(await client.ask(QUERY)).toEqual(ANSWER);
      expect(await client.ask(QUERY)).toEqual(ANSWER);
    });

    it('shows the world nothing but /graphql', async () => {
      const { origin } = await startStack();
      const balancer = await startUntilEnd(program, [portOf(origin), portOf(origin)]);
      for (const path of ['/', '/health', '/ready', '/metrics', '/graphql/', '/graphql/../metrics'])
        expect([path, (await get(balancer, path)).statusCode]).toEqual([path, 404]);
      expect((await get(balancer, '/graphql?query={__typename}')).statusCode).toBe(200);
    });

    it('writes neither tokens nor variables into its log', async () => {
      const { origin, logLines } = await startStack();
      const balancer = await startUntilEnd(program, [portOf(origin), portOf(origin)]);
      const path = '/graphql?query=query($id:ID!){backfill(id:$id){id}}&variables={%22id%22:%2277%22}';
      const { headers } = await get(balancer, path);
      await askFrom(balancer, 0);
      await expect.poll(() => balancer.log()).toMatch(/ POST \/graphql 200 /);
      expect(balancer.log()).toMatch(/ GET \/graphql 200 /);
      expect(balancer.log()).not.toMatch(/sandbox-full|variables|77"/);
      // By the request's id one finds it in both logs.
      expect(balancer.log()).toContain(String(headers['x-request-id']));
      expect(logLines.map(({ requestId }) => requestId)).toContain(headers['x-request-id']);
    });

    it.each<[string, Subscribe]>([
      ['SSE over HTTP/1.1', overSse(false)],
      ['SSE over HTTP/2', overSse(true)],
      ['WebSocket', overWebSocket],
    ])('passes on each event over %s when it comes', async (_transport, subscribe) => {
      const stack = await startStack();
      const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
      const done = (runs: number) =>
        stack.world.set(id, { transfer_runs_total: 200, transfer_runs_completed: runs });
      const balancer = await startUntilEnd(program, [portOf(stack.origin), portOf(stack.origin)]);
      const seen: unknown[] = [];
      const over: unknown[] = [];
      const leave = subscribe(`127.0.0.1:${balancer.port}`, wayTo(balancer, 0), {
        query: `subscription { backfillUpdated(id: "${id}") { transferRunsCompleted } }`,
        connecting: () => undefined,
        sink: {
          next: ({ data }: Event) => seen.push(data?.backfillUpdated.transferRunsCompleted),
          error: (error) => over.push(error),
          complete: () => over.push('complete'),
        },
      });
      onTestFinished(async () => {
        await leave();
      });
      done(1);
      await expect.poll(() => [seen, over], { timeout: 5_000 }).toEqual([[1], []]);
      done(2);
      await nextPoll(stack);
      await expect.poll(() => [seen, over]).toEqual([[1, 2], []]);
    });

    it('asks another gateway where one cannot be reached', async () => {
      let checks = 0;
      const gone = createServer((_incoming, response) => {
        checks++;
        response.setHeader('Connection', 'close').end();
      }).listen(0, '127.0.0.1');
      await once(gone, 'listening');
      const { origin } = await startStack();
      const balancer = await startUntilEnd(program, [(gone.address() as AddressInfo).port, portOf(origin)]);
      if (program === haproxy) await expect.poll(() => checks, { timeout: 5_000 }).toBeGreaterThan(0);
      gone.close();
      // HAProxy does not know yet that it is gone.
      for (let n = 0; n < 10; n++) expect(await askFrom(balancer, n)).toEqual(ANSWER);
    });

    it('never sends a POST twice, although the gateway that took it breaks off', async () => {
      let taken = 0;
      const origin = await serve((incoming, response) => {
        if (incoming.url === '/ready') response.end('ready');
        else {
          incoming.resume().once('end', () => {
            taken++;
            incoming.socket.resetAndDestroy();
          });
        }
      });
      const balancer = await startUntilEnd(program, [portOf(origin), portOf(origin)]);
      expect((await askFrom(balancer, 0)).status).toBe(502);
      expect(taken).toBe(1);
    });
  });
});

it.skipIf(SKIPPED.has(haproxy))(
  'HAProxy sends nothing to a gateway that is not ready, and all again when it is',
  async () => {
    let isReady = false;
    const taken = new Set<string>();
    const gateway = (name: string, isUp: () => boolean) =>
      serve((incoming, response) => {
        if (incoming.url === '/ready') response.statusCode = isUp() ? 200 : 503;
        else taken.add(name);
        response.end();
      });
    const first = await gateway('first', () => isReady);
    const second = await gateway('second', () => true);
    const balancer = await startUntilEnd(haproxy, [portOf(first), portOf(second)]);
    const gatewaysOfMany = async (): Promise<readonly string[]> => {
      taken.clear();
      await Promise.all(Array.from({ length: 20 }, (_, n) => askFrom(balancer, n)));
      return [...taken].sort();
    };
    await expect.poll(gatewaysOfMany, { timeout: 6_000 }).toEqual(['second']);
    isReady = true;
    await expect.poll(gatewaysOfMany, { timeout: 6_000 }).toEqual(['first', 'second']);
  },
);

it.skipIf(SKIPPED.has(haproxy))(
  'HAProxy takes WebSockets over HTTP/2, as browsers open them there',
  async () => {
    const { origin } = await startStack();
    const balancer = await startUntilEnd(haproxy, [portOf(origin), portOf(origin)]);
    const session = connectHttp2(`https://127.0.0.1:${balancer.port}`, wayTo(balancer, 0));
    onTestFinished(() => session.destroy());
    await once(session, 'remoteSettings');
    expect(session.remoteSettings.enableConnectProtocol).toBe(true);
    const stream = session.request({
      ':method': 'CONNECT',
      ':protocol': 'websocket',
      ':path': '/graphql',
      'sec-websocket-version': '13',
      'sec-websocket-protocol': 'graphql-transport-ws',
      origin: `https://127.0.0.1:${balancer.port}`,
    });
    const [answer] = (await once(stream, 'response')) as [Record<string, unknown>];
    expect([answer[':status'], answer['sec-websocket-protocol']]).toEqual([200, 'graphql-transport-ws']);
    const message = Buffer.from('{"type":"connection_init"}');
    // One frame of text, "masked" by zeros.
    stream.write(Buffer.concat([Buffer.from([0x81, 0x80 | message.length, 0, 0, 0, 0]), message]));
    const [frame] = (await once(stream, 'data')) as [Buffer];
    expect(frame.subarray(2).toString()).toBe('{"type":"connection_ack"}');
  },
);
