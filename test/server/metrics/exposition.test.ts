import { readFileSync } from 'node:fs';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES } from '../../../src/graphql/error-codes.ts';
import { type Stack, startStack, TEAM, TOKEN } from '../../harness.ts';
import { complaintsOf, skipsWithoutPromtool } from '../../support/promtool.ts';
import { scrape } from '../../support/series.ts';
import { nextPoll, overSse, overWebSocket } from '../../support/streams.ts';

const byId = (id: string): string => `{ backfill(id: "${id}") { id } }`;

/** Has the gateway do a bit of everything that is counted. */
async function useAll(stack: Stack): Promise<void> {
  const { origin, world, sandbox, clock, query } = stack;
  const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  await Promise.all(
    Array.from({ length: 200 }, (_, n) => query(byId(id), { token: n % 2 ? TOKEN : `t-${n}` })),
  );
  for (const subscribe of [overSse, overWebSocket]) {
    subscribe(origin, `subscription { backfillUpdated(id: "${id}") { status } }`);
  }
  await nextPoll(stack);
  await query(`mutation { cancelBackfill(id: "${id}") { status } }`);
  for (const status of [400, 401, 403, 404, 409, 429, 500, 502]) {
    sandbox.faults.add({ answer: { kind: 'status', status } });
    clock.advance(61_000);
    await query(byId(String(status)));
  }
  sandbox.faults.clear();
  await query('{ nonsense');
  await query('{ nonsense }');
  for (const path of ['/nowhere', '/health', '/']) await fetch(origin + path);
}

/** Sends requests over one connection, each when the one before it is answered. Returns their number. */
async function sendAll({ origin }: Stack, requests: readonly string[]): Promise<number> {
  const socket = connect(Number(new URL(origin).port), '127.0.0.1');
  await once(socket, 'connect');
  socket.write(requests.join(''));
  let answers = 0;
  let rest = '';
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    const parts = `${rest}${chunk.toString('latin1')}`.split('HTTP/1.1 ');
    answers += parts.length - 1;
    rest = parts.at(-1)?.slice(1 - 'HTTP/1.1 '.length) ?? '';
    if (answers === requests.length) break;
  }
  return answers;
}

describe('the exposition', () => {
  it.skipIf(skipsWithoutPromtool)('leaves promtool nothing to say, idle and under load', async () => {
    const idle = await startStack();
    expect(complaintsOf((await scrape(idle.origin)).text)).toBe('');
    const busy = await startStack();
    await useAll(busy);
    busy.clock.advance(1_000);
    expect(complaintsOf((await scrape(busy.origin)).text)).toBe('');
  });

  it('says which version of the gateway runs on which Node.js', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    const scraped = await scrape((await startStack()).origin);
    expect(scraped.by('build_info')).toEqual({ [`${version} ${process.version}`]: 1 });
  });

  it('has every series of a known label from the start, with 0', async () => {
    const scraped = await scrape((await startStack()).origin);
    const all = (metric: string): readonly string[] => {
      expect(scraped.sum(metric)).toBe(0);
      return Object.keys(scraped.by(metric));
    };
    expect(all('cache_reads_total')).toEqual(['hit', 'miss', 'shared', 'list', 'stale', 'refused']);
    expect(all('upstream_calls_total')).toEqual(['read', 'list', 'refresh', 'poll', 'retry', 'write']);
    expect(all('errors_total')).toEqual(Object.keys(ERROR_CODES));
    expect(all('polls_total')).toEqual(['ok', 'failed']);
    expect(all('circuit_changes_total')).toEqual(['open', 'closed']);
    expect(all('subscriptions_open')).toEqual(['sse', 'websocket']);
    expect(all('subscriptions_ended_total')).toHaveLength(8);
    expect(all('request_duration_seconds_count')).toContain('503');
    expect(all('upstream_call_duration_seconds_count')).toHaveLength(25);
    for (const metric of [
      'gates_closed_total',
      'gates_closed',
      'cache_evictions_total',
      'log_lines_dropped_total',
    ])
      expect([metric, scraped.value(metric)]).toEqual([metric, 0]);
  });

  it('has no series more for 10,000 invented tokens, operations, names, paths and methods', async () => {
    // As a gateway runs, which compiles no text that comes once.
    const stack = await startStack({}, {}, 'second use');
    await useAll(stack);
    await sendAll(stack, ['BREW /graphql HTTP/1.1\r\nHost: x\r\n\r\n']);
    const ours = async (): Promise<readonly string[]> => {
      stack.clock.advance(1_000);
      const { series } = await scrape(stack.origin);
      return series.filter((name) => name.startsWith('backfill_gateway_'));
    };
    const before = await ours();
    const requests = Array.from({ length: 10_000 }, (_, n) => {
      const name = `invented${n}`;
      // One in four is for GraphQL, which takes by far the most time.
      const query = [
        `query ${name} { ${n % 100 === 0 ? 'backfill' : 'transfer'}(id: 404) { id } }`,
        `query ${name} { ${name} }`,
        `mutation ${name} { ${name}(x: "${name}") }`,
        name,
      ][(n / 4) % 4];
      const target = [`POST /graphql`, `GET /${name}`, `PURGE /graphql`, `GET /graphql/${name}`][n % 4];
      const body = JSON.stringify({ query, operationName: name, variables: { [name]: name } });
      const caller = `Authorization: Bearer ${name}\r\nX-Team-Id: ${n % 3 === 0 ? TEAM : String(n)}\r\nX-Request-Id: ${name}\r\n`;
      return `${target} HTTP/1.1\r\nHost: ${name}\r\n${caller}Content-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    });
    // More at a time would be turned away before they are read.
    let answers = 0;
    for (let sent = 0; sent < requests.length; sent += 500) {
      answers += await sendAll(stack, requests.slice(sent, sent + 500));
    }
    expect(answers).toBe(requests.length);
    const after = await ours();
    expect(after.filter((name) => !before.includes(name))).toEqual([]);
    expect(after.length).toBeLessThan(1_300);
    expect(after.join('\n')).not.toContain('invented');
  }, 60_000);
});
