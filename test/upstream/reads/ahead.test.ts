import { describe, expect, it } from 'vitest';
import { startStack } from '../../harness.ts';
import { overSse } from '../../support/streams.ts';
import {
  ANSWER_MS,
  type Client,
  createDraw,
  type Poll,
  type PollingStack,
  type Reader,
  runFleet,
  startPolling,
  TTL_MS,
  type What,
} from './polling.ts';

const PAGE = { latest: [1, 2, 3, 41, 42] } as const;
const LIST_PATH = '/teams/1/backfills';

/** 20 of the 80 transfers of the team, drawn for each client, and asked for every 2 s or so. */
function crowd(count: number): readonly Client[] {
  const draw = createDraw(7);
  return Array.from({ length: count }, () => ({
    token: 'key',
    what: { latest: Array.from({ length: 20 }, () => 1 + Math.floor(draw() * 80)) },
    startsAt: Math.round(draw() * 2_000),
    interval: () => Math.round(2_000 * (0.95 + 0.1 * draw())),
  }));
}

/** Each with a credential of its own. @param jitter the share by which an interval may be off */
function loners(count: number, everyMs: number, jitter: number): readonly Client[] {
  const draw = createDraw(11);
  return Array.from({ length: count }, (_, n) => ({
    token: `key-${n}`,
    what: PAGE,
    startsAt: Math.round(draw() * everyMs),
    interval: () => Math.round(everyMs * (1 - jitter + 2 * jitter * draw())),
  }));
}

/** The polls that waited, of those after the first of each client. */
function waiting(polls: readonly (readonly Poll[])[]): readonly Poll[] {
  return polls.flatMap((each) => each.slice(1)).filter(({ waitedMs }) => waitedMs !== 0);
}

/** Polls every so many milliseconds, as a crowd does. */
async function pollFor(
  stack: PollingStack,
  forMs: number,
  what: What = PAGE,
  { everyMs = 10, as = 'asker' }: { everyMs?: number; as?: Reader } = {},
): Promise<readonly Poll[]> {
  const until = stack.now() + forMs;
  const client = { token: 'key', what, startsAt: stack.now(), interval: () => everyMs };
  return (await runFleet(stack, [client], until, as))[0] ?? [];
}

/** The calls that began when nobody asked, or asked for what was fresh: those of refreshes. */
function refreshes({ calls }: PollingStack, polls: readonly (readonly Poll[])[]): number {
  return calls.length - polls.flat().reduce((sum, { cost }) => sum + cost.calls, 0);
}

describe('while a crowd asks', () => {
  it.each<[string, What, string]>([
    ['the list', { list: true }, LIST_PATH],
    ['one backfill', { byId: [1] }, `${LIST_PATH}/1001`],
    ['one latest backfill', { latest: [1] }, '/teams/1/transfers/1/backfills/latest'],
  ])(
    '%s is fresh for each of 1,000 asks in a lifetime, for at most 5 % more calls',
    async (_name, what, path) => {
      const stack = startPolling();
      const polls = await pollFor(stack, 60_000, what, { everyMs: 2 });
      const afterFirst = polls.filter(({ at }) => at > ANSWER_MS);
      expect(afterFirst.length).toBeGreaterThan(29_000);
      expect(afterFirst.filter(({ waitedMs }) => waitedMs !== 0)).toEqual([]);
      expect(new Set(stack.calls.map((call) => call.path))).toEqual(new Set([path]));
      // The first call comes at once.
      const today = 1 + 60_000 / (TTL_MS + ANSWER_MS + 2);
      expect(stack.calls.length).toBeLessThanOrEqual(1.05 * today);
    },
  );

  it('of 1,000 clients with one service key no poll waits, the resync of all rows included', async () => {
    const today = startPolling();
    await runFleet(today, crowd(1_000), 66_000, 'new stream');
    const stack = startPolling();
    const polls = await runFleet(stack, crowd(1_000), 66_000);
    expect(polls.flat().length).toBeGreaterThan(30_000);
    expect(waiting(polls)).toEqual([]);
    expect(stack.calls.length).toBeLessThanOrEqual(1.05 * today.calls.length);
  }, 60_000);

  it('of 200 clients hardly a poll waits', async () => {
    const today = startPolling();
    const before = waiting(await runFleet(today, crowd(200), 58_000, 'new stream'));
    const stack = startPolling();
    const polls = waiting(await runFleet(stack, crowd(200), 58_000));
    expect(stack.calls.length).toBeLessThanOrEqual(1.05 * today.calls.length);
    expect(before.length).toBeGreaterThan(100);
    expect(polls.length).toBeLessThan(0.1 * before.length);
  }, 60_000);

  it.each([10, 20, 47])(
    'every %s ms, 5 % more calls are the most, however slow the REST API is',
    async (everyMs) => {
      // With 69 and 47 ms, the gap to the next ask is as long as it can be each time.
      for (const answerMs of [43, 69, 90, 300, 1_000]) {
        const today = startPolling({}, answerMs);
        const before = await pollFor(today, 200_000, { byId: [1] }, { everyMs, as: 'new stream' });
        const stack = startPolling({}, answerMs);
        const after = await pollFor(stack, 200_000, { byId: [1] }, { everyMs });
        expect(stack.calls.length).toBeLessThanOrEqual(1.05 * today.calls.length + 1);
        const total = (polls: readonly Poll[]): number =>
          polls.reduce((sum, { waitedMs = 0 }) => sum + waitedMs, 0);
        expect(total(after)).toBeLessThan(total(before));
      }
    },
    60_000,
  );

  it('what has left the list costs one call of its own, which is made before anybody has to wait for it', async () => {
    const stack = startPolling();
    await pollFor(stack, 5_000);
    stack.ended.add(2).add(3);
    const polls = await pollFor(stack, 6_000);
    const own = stack.calls.filter(({ at, path }) => at > 5_000 && path !== LIST_PATH);
    expect(own.map(({ path }) => path.split('/')[4])).toEqual(['2', '3']);
    // The list may be read so much sooner as 5 % more calls allow, and what it left out as soon as it has come.
    for (const { waitedMs = Infinity } of polls) expect(waitedMs).toBeLessThanOrEqual(0.5 * ANSWER_MS);
  });

  it.each([
    ['a page', PAGE.latest],
    ['a page of what runs', [1, 2, 3]],
  ])('%s is fresh whose rows all ask for in one order', async (_name, latest) => {
    const stack = startPolling();
    const polls = await pollFor(stack, 20_000, { latest }, { everyMs: 4 });
    const later = polls.filter(({ at }) => at > 200);
    expect(later.filter(({ waitedMs, cost }) => waitedMs !== 0 || cost.calls > 0)).toEqual([]);
    expect(stack.calls.length).toBeLessThanOrEqual(latest.length + 10);
  });

  it('what another reading of the list has left out is read at its own endpoint', async () => {
    const stack = startPolling();
    await pollFor(stack, 5_000);
    const row = { latest: [2] };
    await pollFor(stack, 500, row);
    stack.ended.add(2);
    const { length } = stack.calls;
    stack.poll('key', { list: true }, 'past the cache');
    const polls = await pollFor(stack, 2_000, row);
    expect(stack.calls.slice(length, length + 2).map(({ path }) => path)).toEqual([
      LIST_PATH,
      '/teams/1/transfers/2/backfills/latest',
    ]);
    expect(polls.filter(({ waitedMs }) => waitedMs !== 0)).toEqual([]);
  });

  it('what has ended is fresh at its own endpoint', async () => {
    const what = { byId: [41, 42, 43, 44, 45] };
    const today = startPolling();
    await pollFor(today, 200_000, what, { everyMs: 20, as: 'new stream' });
    const stack = startPolling();
    const polls = await pollFor(stack, 200_000, what, { everyMs: 20 });
    expect(polls.filter(({ at, waitedMs }) => at > 200 && waitedMs !== 0)).toEqual([]);
    expect(stack.calls.length).toBeLessThanOrEqual(today.calls.length);
  });

  it('what outlives the minute of the authority is kept, for one call a minute', async () => {
    const what = { byId: [41, 42, 43, 44, 45] };
    const today = startPolling({ finalTtlMs: 3_600_000 });
    today.isListRefused = true;
    await pollFor(today, 200_000, what, { everyMs: 20, as: 'new stream' });
    const stack = startPolling({ finalTtlMs: 3_600_000 });
    stack.isListRefused = true;
    const polls = await pollFor(stack, 200_000, what, { everyMs: 20 });
    // The first calls of a team come a few at a time.
    expect(polls.filter(({ at, waitedMs }) => at > 200 && waitedMs !== 0)).toEqual([]);
    expect(stack.calls).toHaveLength(today.calls.length);
  });
});

describe('who polls alone', () => {
  it.each([
    [200, 2_000, 0.1],
    [200, 1_500, 0],
    [20, 2_000, 0],
    [20, 1_000, 0.1],
  ])(
    '%s of them, every %s ms, give or take %s of it, cost what they cost without refreshes',
    async (count, everyMs, jitter) => {
      const today = startPolling();
      await runFleet(today, loners(count, everyMs, jitter), 64_000, 'new stream');
      const stack = startPolling();
      const polls = await runFleet(stack, loners(count, everyMs, jitter), 64_000);
      expect(refreshes(stack, polls)).toBe(0);
      expect(stack.calls).toEqual(today.calls);
    },
    90_000,
  );

  it('is no crowd when his page asks for each row by itself', async () => {
    const stack = startPolling();
    const cards = Array.from({ length: 80 }, (_, n) => ({ token: 'key', what: { byId: [1 + (n % 40)] } }));
    const clients = cards.map((card, n) => ({ ...card, startsAt: n % 3, interval: () => 2_000 }));
    expect(refreshes(stack, await runFleet(stack, clients, 20_000))).toBe(0);
  });
});

describe('a refresh', () => {
  it('is made for nothing that nobody asks for any more', async () => {
    const stack = startPolling();
    await pollFor(stack, 5_000);
    const { length } = stack.calls;
    await stack.timeline.wait(300_000);
    expect(stack.calls.length - length).toBeLessThanOrEqual(1);
  });

  it('is made for nobody who comes alone after a crowd', async () => {
    const stack = startPolling();
    await pollFor(stack, 5_000);
    await stack.timeline.wait(1_000);
    const polls = await pollFor(stack, 20_000, PAGE, { everyMs: 1_000 });
    for (const { at } of stack.calls.filter((call) => call.at > 6_000))
      expect(polls.some((poll) => poll.at === at)).toBe(true);
  });

  it('is not made while the quota is short', async () => {
    const stack = startPolling({ hourlyQuota: 200 });
    await pollFor(stack, 10_000);
    const before = stack.calls.length;
    const polls = await pollFor(stack, 50_000);
    const paid = polls.reduce((sum, { cost }) => sum + cost.calls, 0);
    expect(paid).toBeGreaterThan(0);
    expect(stack.calls.length - before).toBe(paid);
  });

  it.each<[string, number, Readonly<Record<string, string>>]>([
    ['the gate is closed', 429, { 'retry-after': '3' }],
    ['refusals are remembered', 429, {}],
  ])('is not made while %s', async (_name, status, headers) => {
    const stack = startPolling();
    await pollFor(stack, 3_000, { byId: [1] });
    // Another resource is refused, while this one is fresh.
    stack.answering = { status, headers };
    stack.poll('key', { byId: [2] });
    await stack.timeline.wait(ANSWER_MS + 1);
    const { length } = stack.calls;
    const freshUntil = (stack.calls[length - 2]?.at ?? 0) + ANSWER_MS + TTL_MS;
    await pollFor(stack, freshUntil - stack.now() - 1, { byId: [1] });
    expect(stack.now()).toBeGreaterThan(freshUntil - 12);
    expect(stack.calls).toHaveLength(length);
  });

  it('is not made while the circuit is open', async () => {
    const stack = startPolling();
    // The circuit may be probed when the lifetime ends.
    await pollFor(stack, 2_700, { byId: [1] });
    stack.answering = { status: 500, headers: {} };
    for (let n = 0; n < 10; n++) stack.poll('key', { byId: [50 + n] });
    await stack.timeline.wait(ANSWER_MS + 1);
    const { length } = stack.calls;
    await pollFor(stack, 3_995 - stack.now(), { byId: [1] });
    expect(stack.calls).toHaveLength(length);
  });

  it('is not made while others wait for slots', async () => {
    const stack = startPolling({ maxConcurrency: 2 });
    await pollFor(stack, 3_000, { byId: [1] });
    stack.script.push('hang', 'hang');
    for (const token of ['other', 'another']) stack.poll(token, { byId: [2] });
    await stack.timeline.wait(1);
    const { length } = stack.calls;
    await pollFor(stack, 3_990 - stack.now(), { byId: [1] });
    expect(stack.calls).toHaveLength(length);
    const { body } = await stack.metrics.expose();
    expect(body.toString()).toContain('backfill_gateway_upstream_calls_waiting 0\n');
  });

  it.each([
    ['a 401', 401],
    ['a 403', 403],
    ['a 429', 429],
    ['a 500', 500],
    ['no sense', 'nonsense' as const],
  ])('that meets %s is not tried again, and means what it means to a read', async (_name, answer) => {
    const stack = startPolling();
    await pollFor(stack, 5_000, { byId: [1] });
    const { length } = stack.calls;
    const freshUntil = (stack.calls.at(-1)?.at ?? 0) + ANSWER_MS + TTL_MS;
    // Time is left to try again.
    stack.answerMs = 1;
    if (answer === 'nonsense') stack.script.push(...Array<'nonsense'>(100).fill(answer));
    else stack.answering = { status: answer, headers: {} };
    const polls = await pollFor(stack, freshUntil - stack.now() - 1, { byId: [1] });
    // What is refused is shown to nobody, so that whoever asks then pays himself.
    const paid = polls.reduce((sum, { cost }) => sum + cost.calls, 0);
    expect(stack.calls.length - length - paid).toBe(1);
    const isRefusal = answer === 401 || answer === 403;
    expect(polls.at(-1)?.failed).toBe(isRefusal ? 1 : 0);
    if (!isRefusal) expect(paid).toBe(0);
  });

  it('that hangs is one call, and whoever asks is told what is known', async () => {
    const stack = startPolling();
    await pollFor(stack, 5_000);
    const { length } = stack.calls;
    stack.script.push(...Array<'hang'>(100).fill('hang'));
    const polls = await pollFor(stack, 2_500);
    expect(stack.calls.length - length).toBeLessThanOrEqual(2);
    await stack.timeline.wait(10_000);
    expect(polls.every(({ failed, waitedMs = Infinity }) => failed === 0 && waitedMs <= 3_050)).toBe(true);
  });

  it.each<Reader>(['stream', 'new stream'])('is not made for a %s', async (as) => {
    const stack = startPolling();
    expect(refreshes(stack, [await pollFor(stack, 30_000, PAGE, { as })])).toBe(0);
  });

  it('does not begin after the end', async () => {
    const stack = startPolling();
    await pollFor(stack, 5_000);
    const { length } = stack.calls;
    await stack.upstream.close();
    await stack.timeline.wait(10_000);
    expect(stack.calls).toHaveLength(length);
  });
});

describe('the gateway', () => {
  it('answers a crowd what a refresh brought, at the expense of no operation', async () => {
    const { world, sandbox, clock, query } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const ask = (headers: Readonly<Record<string, string>> = {}) =>
      query(`{ backfill(id: "${id}") { id status } }`, { headers: { 'x-explain-cost': '1', ...headers } });
    await ask();
    for (let n = 0; n < 100; n++) {
      clock.advance(19.9);
      expect(JSON.parse((await ask()).body)).toMatchObject({
        extensions: { upstream: { calls: 0, cacheHits: 1 } },
      });
      await expect.poll(() => sandbox.calls.inFlight).toBe(0);
    }
    await expect.poll(() => sandbox.calls.count()).toBe(2);
    clock.advance(20);
    expect(JSON.parse((await ask()).body)).toMatchObject({ extensions: { upstream: { calls: 0 } } });
    clock.advance(1_001);
    const past = await ask({ 'cache-control': 'no-cache' });
    expect(JSON.parse(past.body)).toMatchObject({ extensions: { upstream: { calls: 1, cacheHits: 0 } } });
    expect(sandbox.calls.count()).toBe(3);
  });

  it.each([
    ['backfillUpdated', (id: string) => `backfillUpdated(id: "${id}") { status }`],
    ['backfillsUpdated', (id: string) => `backfillsUpdated(ids: ["${id}"]) { status }`],
    ['incompleteBackfillsUpdated', () => 'incompleteBackfillsUpdated { status }'],
  ])('begins no refresh for streams that begin: %s', async (_field, fieldOf) => {
    const { origin, world, sandbox, clock } = await startStack();
    const id = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    for (let n = 0; n < 100; n++) {
      if (n > 0) clock.advance(20.1);
      const { events } = overSse(origin, `subscription { ${fieldOf(id)} }`);
      await expect.poll(() => events.length).toBe(1);
    }
    await expect.poll(() => sandbox.calls.inFlight).toBe(0);
    expect(sandbox.calls.count()).toBe(1);
  });
});
