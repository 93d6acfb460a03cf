import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { composeByGuild } from '../support/compose.ts';
import {
  startApolloGateway,
  startHiveGateway,
  startHiveGatewayThatRetries,
  startHiveGatewayThatRetriesAll,
  startHiveGatewayThatRetriesErrors,
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

/** Sends an operation through a router to a subgraph that always fails; gives how often it came there. */
async function timesSent(start: StartRouter, operation: string, failing: Failing): Promise<number> {
  let sent = 0;
  const url = await serve((request, response) => {
    void text(request).then(() => {
      sent++;
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
  const { errors, supergraph = '' } = composeByGuild([{ name: 'writes', url, sdl: SDL }]);
  expect(errors).toEqual([]);
  const response = await fetch(await start(supergraph), {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: operation }),
  });
  expect(await response.json()).toHaveProperty('errors');
  return sent;
}

const FAILING: readonly Failing[] = [
  'a connection that breaks',
  'HTTP 503 with Retry-After',
  'an error of a field',
];

describe.each([
  ['Hive Gateway', startHiveGateway],
  ['Hive Gateway with the upstreamRetry of the README', startHiveGatewayThatRetries],
  ['Apollo Gateway', startApolloGateway],
] as const)('%s', (_name, start) => {
  it.each(FAILING)('sends a mutation once, whatever happens to it: %s', async (failing) => {
    expect(await timesSent(start, 'mutation { write }', failing)).toBe(1);
  });
});

describe('upstreamRetry of Hive Gateway', () => {
  it('sends a query again with the lines of the README', async () => {
    expect(await timesSent(startHiveGatewayThatRetries, '{ read }', 'a connection that breaks')).toBe(4);
  });

  it.each(FAILING)(
    'without them sends mutations again too, or the README need not warn: %s',
    async (failing) => {
      const times = failing === 'an error of a field' ? 1 : 4;
      expect(await timesSent(startHiveGatewayThatRetriesAll, 'mutation { write }', failing)).toBe(times);
    },
  );

  it('is not the retry of a transport, which sends a mutation again for any error', async () => {
    const operation = 'mutation { write }';
    expect(await timesSent(startHiveGatewayThatRetriesErrors, operation, 'an error of a field')).toBe(3);
  });
});
