import { text } from 'node:stream/consumers';
import { beforeEach, describe, expect, it } from 'vitest';
import { composeByGuild } from '../support/compose.ts';
import {
  APOLLO_GATEWAY,
  GRAFBASE,
  grafbase,
  GRAFBASE_RETRIES,
  HIVE_GATEWAY,
  HIVE_GATEWAY_IN_RUST,
  hiveGateway,
  type HiveOptions,
  RETRIES_ALL,
  RETRIES_ERRORS,
  RETRIES_QUERIES,
  RUST_PLANNER,
  type Router,
  type StartRouter,
} from '../support/routers.ts';
import { serve } from '../support/serve.ts';

const SDL = /* GraphQL */ `
  extend schema @link(url: "https://specs.apollo.dev/federation/v2.3", import: ["@key"])
  type Query {
    read: Int
  }
  type Mutation {
    write: Int
  }
`;

type Failing = 'a connection that breaks' | 'HTTP 503 with Retry-After' | 'an error of a field';

/** Sends an operation through a router to a subgraph that fails; gives how often it came there. */
async function timesSent(
  start: StartRouter,
  operation: string,
  failing: Failing,
  failures = Infinity,
): Promise<number> {
  let sent = 0;
  const url = await serve((request, response) => {
    void text(request).then(() => {
      sent++;
      if (sent > failures) {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":{"read":1,"write":1}}');
        return;
      }
      if (failing === 'a connection that breaks') {
        response.destroy();
        return;
      }
      const isOfField = failing === 'an error of a field';
      const headers = { 'content-type': 'application/json', ...(isOfField ? {} : { 'retry-after': '0' }) };
      const errors = [{ message: 'No.', ...(isOfField && { path: ['write'] }), extensions: { code: 'NO' } }];
      response
        .writeHead(isOfField ? 200 : 503, headers)
        .end(JSON.stringify({ ...(isOfField && { data: { write: null } }), errors }));
    });
  });
  const subgraphs = [{ name: 'writes', url, sdl: SDL }];
  const { errors, supergraph = '' } = composeByGuild(subgraphs);
  expect(errors).toEqual([]);
  const response = await fetch(await start({ supergraph, subgraphs }), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: operation }),
  });
  const answer = (await response.json()) as { readonly errors?: unknown };
  expect(answer.errors !== undefined).toBe(sent <= failures);
  return sent;
}

const FAILING: readonly Failing[] = [
  'a connection that breaks',
  'HTTP 503 with Retry-After',
  'an error of a field',
];

const PLANNERS: readonly [name: string, options: HiveOptions][] = [
  ['JavaScript', {}],
  ['Rust', RUST_PLANNER],
];

const ROUTERS: readonly Router[] = [
  HIVE_GATEWAY,
  HIVE_GATEWAY_IN_RUST,
  ...PLANNERS.map(([planner, options]) => ({
    name: `Hive Gateway with the upstreamRetry of the README and the ${planner} planner`,
    start: hiveGateway(options, RETRIES_QUERIES),
  })),
  APOLLO_GATEWAY,
  GRAFBASE,
  { ...GRAFBASE, name: 'Grafbase with the retries of the README', start: grafbase(GRAFBASE_RETRIES) },
];

describe.each(ROUTERS.map((router) => [router.name, router] as const))('%s', (_name, router) => {
  beforeEach(({ skip }) => skip(router.isMissing === true));

  it.each(FAILING)('sends a mutation once, whatever happens to it: %s', async (failing) => {
    expect(await timesSent(router.start, 'mutation { write }', failing)).toBe(1);
  });
});

describe.each(PLANNERS)('upstreamRetry of Hive Gateway with the %s planner', (_name, planner) => {
  it('sends a query again with the lines of the README', async () => {
    const start = hiveGateway(planner, RETRIES_QUERIES);
    expect(await timesSent(start, '{ read }', 'a connection that breaks')).toBe(4);
  });

  it.each(FAILING)(
    'without them sends mutations again too, or the README need not warn: %s',
    async (failing) => {
      const times = failing === 'an error of a field' ? 1 : 4;
      expect(await timesSent(hiveGateway(planner, RETRIES_ALL), 'mutation { write }', failing)).toBe(times);
    },
  );

  it('is not the retry of a transport, which sends a mutation again for any error', async () => {
    const start = hiveGateway(planner, RETRIES_ERRORS);
    expect(await timesSent(start, 'mutation { write }', 'an error of a field')).toBe(3);
  });
});

describe('retries of Grafbase', () => {
  beforeEach(({ skip }) => skip(GRAFBASE.isMissing === true));

  it('send a query again with the line of the README', async () => {
    expect(await timesSent(grafbase(GRAFBASE_RETRIES), '{ read }', 'a connection that breaks', 2)).toBe(3);
  });

  it.each(['a connection that breaks', 'HTTP 503 with Retry-After'] as const)(
    'send mutations again where a subgraph is told so, or the README need not warn: %s',
    async (failing) => {
      const start = grafbase('subgraphs.writes.retry = { enabled = true, retry_mutations = true }');
      expect(await timesSent(start, 'mutation { write }', failing, 2)).toBe(3);
    },
  );
});
