import type { RequestListener, ServerResponse } from 'node:http';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createMetrics } from '../../src/metrics.ts';
import { listen } from '../../src/server/listener.ts';
import { type LoadSheddingOptions, shedLoad } from '../../src/server/load-shedding.ts';
import { createShares } from '../../src/shares.ts';

/** A server that holds requests at /graphql until the test answers them. */
async function holdingServer({
  total = 100,
  ...options
}: Partial<Pick<LoadSheddingOptions, 'maxLagMs' | 'turns'>> & { readonly total?: number }): Promise<{
  origin: string;
  held: ServerResponse[];
  counted: () => Promise<string>;
}> {
  const metrics = createMetrics();
  const held: ServerResponse[] = [];
  const shedding = shedLoad(
    (request, response, _caller, becomesStream) => {
      if (request.url === '/graphql?stream') becomesStream();
      const isHeld = request.url?.startsWith('/graphql') === true && !request.url.includes('at-once');
      if (isHeld) held.push(response);
      else response.end('fine');
    },
    {
      metrics,
      underWay: createShares({ total, timesFree: 3 }, () => true),
      turns: { wait: () => undefined },
      ...options,
    },
  );
  const handle: RequestListener = (request, response) => shedding.handle(request, response, 'me');
  const listener = await listen({ handle }, 0, '127.0.0.1');
  onTestFinished(async () => {
    shedding.stop();
    await listener.close(0);
  });
  return {
    origin: `http://127.0.0.1:${listener.port}`,
    held,
    counted: async () => (await metrics.expose()).body.toString(),
  };
}

describe('a gateway under more load than it can bear', () => {
  it('refuses requests with 503 and Retry-After while too many are in flight, and accepts them again afterwards', async () => {
    const { origin, held, counted } = await holdingServer({ total: 3 });
    const underWay = [fetch(`${origin}/graphql`), fetch(`${origin}/graphql`)];
    await expect.poll(() => held.length).toBe(2);

    const refused = await fetch(`${origin}/graphql`, { headers: { 'x-request-id': 'mine-1' } });
    expect(refused.status).toBe(503);
    expect(Object.fromEntries(refused.headers)).toMatchObject({
      'retry-after': '1',
      'x-request-id': 'mine-1',
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'x-frame-options': 'DENY',
    });
    expect(await refused.json()).toMatchObject({
      errors: [
        {
          extensions: {
            code: 'UPSTREAM_UNAVAILABLE',
            retryable: true,
            retryAfterSeconds: 1,
            requestId: 'mine-1',
          },
        },
      ],
    });
    expect(await counted()).toContain('backfill_gateway_errors_total{code="UPSTREAM_UNAVAILABLE"} 1');
    expect((await fetch(`${origin}/health`)).status).toBe(200);

    for (const response of held) response.end('done');
    expect(await Promise.all(underWay.map(async (answer) => (await answer).text()))).toEqual([
      'done',
      'done',
    ]);
    const later = fetch(`${origin}/graphql`);
    await expect.poll(() => held.length).toBe(3);
    held[2]?.end('done');
    expect((await later).status).toBe(200);
  });

  it('does not begin a request whose client has gone while it waited for its turn', async () => {
    const waiting: (() => void)[] = [];
    const turns = { wait: () => new Promise<void>((resolve) => waiting.push(resolve)) };
    const { origin, held } = await holdingServer({ turns, total: 4 });
    const gone = new AbortController();
    void fetch(`${origin}/graphql?gone`, { signal: gone.signal }).catch(() => undefined);
    await expect.poll(() => waiting.length).toBe(1);
    const stays = fetch(`${origin}/graphql?stays`);
    await expect.poll(() => waiting.length).toBe(2);
    gone.abort();
    // Its place is free again as soon as it is gone: three of four may be under way for one caller.
    const others = [fetch(`${origin}/graphql?second`), fetch(`${origin}/graphql?third`)];
    await expect.poll(() => waiting.length).toBe(4);

    for (const begin of waiting) begin();
    await expect.poll(() => held.length).toBe(3);
    for (const response of held) response.end('fine');
    expect((await Promise.all([stays, ...others])).map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('does not count streams, which last for hours', async () => {
    const { origin, held } = await holdingServer({ total: 2 });
    const streams = [fetch(`${origin}/graphql?stream`)];
    await expect.poll(() => held.length).toBe(1);
    streams.push(fetch(`${origin}/graphql?stream`));
    await expect.poll(() => held.length).toBe(2);
    const answered = fetch(`${origin}/graphql`);
    await expect.poll(() => held.length).toBe(3);
    expect((await fetch(`${origin}/graphql`)).status).toBe(503);
    for (const response of held) response.end('done');
    expect((await answered).status).toBe(200);
    for (const stream of streams) expect((await stream).status).toBe(200);
    // Each was counted once when it came, and once when it went.
    const later = fetch(`${origin}/graphql`);
    await expect.poll(() => held.length).toBe(4);
    expect((await fetch(`${origin}/graphql`)).status).toBe(503);
    held[3]?.end('done');
    expect((await later).status).toBe(200);
  });

  it('refuses requests after its event loop was blocked twice, until the loop is on time again', async () => {
    const { origin, counted } = await holdingServer({ maxLagMs: 200 });
    const status = async (): Promise<number> => (await fetch(`${origin}/graphql?answered=at-once`)).status;
    block(1_500);
    // Its sample is taken before that of the second time.
    await sampled();
    block(1_500);
    await expect.poll(status, { interval: 5 }).toBe(503);
    expect(await counted()).toContain('_refusals_total{limit="event_loop",scope="global"} 1\n');
    expect((await fetch(`${origin}/health`)).status).toBe(200);
    await expect.poll(status, { timeout: 5_000 }).toBe(200);
  });

  it('refuses nothing after it stood still once', async () => {
    const { origin } = await holdingServer({ maxLagMs: 200 });
    block(1_500);
    await sampled();
    expect((await fetch(`${origin}/graphql?answered=at-once`)).status).toBe(200);
  });
});

function block(milliseconds: number): void {
  const until = performance.now() + milliseconds;
  while (performance.now() < until);
}

/** All timers that are due have run. */
function sampled(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}
