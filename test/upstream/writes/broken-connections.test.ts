import { expect, it } from 'vitest';
import { codesOf, startStack } from '../../harness.ts';
import { listenOn } from '../../support/http-upstream.ts';
import { RECORD } from '../../support/records.ts';
import { startOddUpstream } from '../../support/odd-upstream.ts';
import { type Cut, cuttingUpstream } from './cutting-upstream.ts';

const CREATE =
  'mutation { createBackfill(input: { transferId: "5", rangeStartDate: "2026-01-01", rangeEndDate: "2026-01-31" }) { id } }';
const CANCEL = 'mutation { cancelBackfill(id: "17") { id status } }';
const UNKNOWN = 'OUTCOME_UNKNOWN';
/** More than the request of a write has. */
const REQUEST_BYTES = 520;

const whole = (record: object): string =>
  JSON.stringify({ meta: { request_id: 'an-id-of-it' }, data: record });
const BODIES = {
  'content-length': (body: string) =>
    `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  chunked: (body: string) =>
    `HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
} as const;

it.each(['content-length', 'chunked'] as const)(
  'a create whose connection breaks at any byte is sent once, and its caller told what is known (%s)',
  async (framing) => {
    const response = BODIES[framing](whole({ ...RECORD, status: 'CREATED' }));
    const upstream = await cuttingUpstream(() => response);
    const stack = await startStack({ SUPERMETRICS_API_URL: upstream.origin });
    const cuts: Cut[] = [];
    for (let bytes = 0; bytes <= REQUEST_BYTES; bytes++)
      cuts.push({ after: 'request', bytes, by: bytes % 2 === 0 ? 'reset' : 'end' });
    for (let bytes = 0; bytes < response.length; bytes++)
      cuts.push({ after: 'response', bytes, by: bytes % 2 === 0 ? 'end' : 'reset' });
    for (const [n, cut] of cuts.entries()) {
      upstream.cut = cut;
      const sent = upstream.requests.length;
      const result = await stack.query(CREATE);
      const posts = upstream.requests.length - sent;
      const isAnswered = result.errors === undefined;
      const where = JSON.stringify(cut);
      expect(posts, where).toBeLessThanOrEqual(1);
      // The request may have fewer bytes than the cut waits for: it is answered then, and cut in its response.
      if (isAnswered) expect(cut, where).toMatchObject({ after: 'request' });
      else if (posts === 1) expect(codesOf(result), where).toEqual([UNKNOWN]);
      else expect([UNKNOWN, 'UPSTREAM_UNAVAILABLE'], where).toContain(codesOf(result)[0]);
      // A good answer now and then, so that no circuit opens.
      if (n % 5 > 0) continue;
      upstream.cut = undefined;
      expect((await stack.query(CREATE)).errors).toBeUndefined();
    }
  },
  120_000,
);

it('a cancel without an answer is answered by one read where that says CANCELLED, and is unknown else', async () => {
  let status = 'RUNNING';
  const upstream = await cuttingUpstream((request) =>
    BODIES['content-length'](
      whole({ ...RECORD, status: request.startsWith('PATCH') ? 'CANCELLED' : status }),
    ),
  );
  const stack = await startStack({ SUPERMETRICS_API_URL: upstream.origin });
  for (const now of ['RUNNING', 'CANCELLED', 'COMPLETED']) {
    for (let bytes = 0; bytes < 500; bytes += 25) {
      upstream.cut = { after: 'response', bytes, by: 'end' };
      status = now;
      const sent = upstream.requests.length;
      const token = `${now}-${bytes}`;
      const result = await stack.query(CANCEL, { token });
      const calls = upstream.requests.slice(sent).map((request) => request.split(' ')[0]);
      expect(calls).toEqual(['PATCH', 'GET']);
      if (now === 'CANCELLED')
        expect(result.data).toEqual({ cancelBackfill: { id: '17', status: 'CANCELLED' } });
      else expect(codesOf(result)).toEqual([UNKNOWN]);
    }
  }
});

it('a write over a connection that cannot be made is definite, and may be sent again', async () => {
  const stack = await startStack({ SUPERMETRICS_API_URL: 'http://127.0.0.1:9' });
  const result = await stack.query(CREATE);
  expect(result.errors?.[0]?.extensions).toMatchObject({ code: 'UPSTREAM_UNAVAILABLE', retryable: true });
  expect(stack.logLines.filter(({ msg }) => msg === 'write')).toMatchObject([
    { outcome: 'UPSTREAM_UNAVAILABLE' },
  ]);
});

it('a write that is not answered in time is unknown, and is not sent a second time beside it', async () => {
  let posts = 0;
  const upstream = await startOddUpstream(() => {
    posts++;
  });
  const stack = await startStack({ SUPERMETRICS_API_URL: upstream.origin, UPSTREAM_TIMEOUT_MS: '600' });
  const result = await stack.query(CREATE);
  expect(result.errors?.[0]).toMatchObject({
    message: expect.stringContaining('may have been created'),
    extensions: { code: UNKNOWN, retryable: false },
  });
  expect(posts).toBe(1);
});

it('a write has a connection of its own, so that none that was kept can lose it', async () => {
  const upstream = await listenOn({}, (response, _nth, request) => {
    const data = { ...RECORD, status: request.method === 'PATCH' ? 'CANCELLED' : 'RUNNING' };
    response.setHeader('content-type', 'application/json').end(whole(data));
  });
  const stack = await startStack({ SUPERMETRICS_API_URL: `http://127.0.0.1:${upstream.port}` });
  const noCache = { headers: { 'cache-control': 'no-cache' } };
  for (const text of ['{ backfill(id: "17") { id } }', CANCEL, '{ backfill(id: "17") { id } }']) {
    expect((await stack.query(text, noCache)).errors).toBeUndefined();
    stack.clock.advance(2_000);
  }
  const [read, write, readAgain] = upstream.carriers;
  expect(readAgain).toBe(read);
  expect(write).not.toBe(read);
});
