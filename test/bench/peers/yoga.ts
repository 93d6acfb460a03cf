import { createServer } from 'node:http';
import DataLoader from 'dataloader';
import { createSchema, createYoga } from 'graphql-yoga';
import { type Caller, createRestApi, type PeerBackfill, PORT, UPSTREAM_URL } from './rest-api.ts';
import { type PeerTransfer, TYPE_DEFS } from './schema.ts';

/** GraphQL Yoga as its documentation shows it: default plugins, fetch, and a DataLoader for each request. */
interface Context {
  readonly backfills: DataLoader<string, PeerBackfill>;
  readonly latestBackfills: DataLoader<string, PeerBackfill>;
}

const rest = createRestApi(async (path, authorization) => {
  const response = await fetch(UPSTREAM_URL + path, { headers: { authorization } });
  if (!response.ok) throw new Error(`status ${response.status}`);
  return response.json();
});

const yoga = createYoga<object, Context>({
  schema: createSchema<Context>({
    typeDefs: TYPE_DEFS,
    resolvers: {
      Query: {
        backfill: (_root: unknown, { id }: { id: string }, { backfills }: Context) => backfills.load(id),
        transfer: (_root: unknown, { id }: { id: string }) => ({ id }),
        transfers: (_root: unknown, { ids }: { ids: readonly string[] }) => ids.map((id) => ({ id })),
      },
      Transfer: {
        latestBackfill: ({ id }: PeerTransfer, _args: unknown, { latestBackfills }: Context) =>
          latestBackfills.load(id),
      },
    },
  }),
  context: ({ request }) => {
    const caller: Caller = {
      authorization: request.headers.get('authorization') ?? '',
      teamId: request.headers.get('x-team-id') ?? '1',
    };
    return {
      backfills: new DataLoader((ids) => Promise.all(ids.map(async (id) => rest.backfill(caller, id)))),
      latestBackfills: new DataLoader((ids) =>
        Promise.all(ids.map(async (id) => rest.latestBackfill(caller, id))),
      ),
    };
  },
  graphiql: false,
  logging: false,
});

createServer((request, response) => void yoga(request, response)).listen(PORT, '127.0.0.1', 4096);
