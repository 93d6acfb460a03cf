import { expect } from 'vitest';
import { type Result, type Stack, startStack, TEAM, TOKEN } from '../harness.ts';
import { composeByGuild } from './compose.ts';
import { type RecordingProxy, startRecordingProxy } from './recording-proxy.ts';
import type { StartRouter } from './routers.ts';
import {
  type OwnedTransfer,
  type OwnerOptions,
  startTransfersSubgraph,
  type TransfersSubgraph,
} from './transfers-subgraph.ts';

export interface Supergraph {
  /** The gateway under test and the fake REST API behind it. */
  readonly stack: Stack;
  /** What the router asks of the gateway under test. */
  readonly backfills: RecordingProxy;
  readonly owner: TransfersSubgraph;
  /** Of the router, whose path is `/graphql`. */
  readonly origin: string;
  /** Asks the router, with the headers of an ordinary client and these; null leaves one out. */
  query(query: string, headers?: ClientHeaders): Promise<Result>;
}

type ClientHeaders = Readonly<Record<string, string | null>>;

/** A router over the real gateway and the owner of `transfers`, all on real ports, until the test ends. */
export async function startSupergraph(
  startRouter: StartRouter,
  transfers: readonly OwnedTransfer[],
  ownerOptions?: OwnerOptions,
): Promise<Supergraph> {
  const stack = await startStack();
  const backfills = await startRecordingProxy(`${stack.origin}/graphql`);
  const owner = await startTransfersSubgraph(transfers, ownerOptions);
  const subgraphs = [
    { name: 'backfills', url: backfills.url, sdl: await readSdl(backfills.url) },
    { name: 'transfers', url: owner.url, sdl: await readSdl(owner.url) },
  ];
  const { errors, supergraph = '' } = composeByGuild(subgraphs);
  expect(errors).toEqual([]);
  const url = await startRouter({ supergraph, subgraphs });
  backfills.reset();
  return {
    stack,
    backfills,
    owner,
    origin: new URL(url).origin,
    query: (query, headers = {}) => ask(url, query, headers),
  };
}

/** As routers' tools read it: with no credential. */
async function readSdl(url: string): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: '{ _service { sdl } }' }),
  });
  const { data } = (await response.json()) as { data: { _service: { sdl: string } } };
  return data._service.sdl;
}

async function ask(url: string, query: string, own: ClientHeaders): Promise<Result> {
  const headers: ClientHeaders = {
    'content-type': 'application/json',
    authorization: `Bearer ${TOKEN}`,
    'x-team-id': TEAM,
    ...own,
  };
  const response = await fetch(url, {
    method: 'POST',
    headers: Object.entries(headers).filter((header): header is [string, string] => header[1] !== null),
    body: JSON.stringify({ query }),
  });
  const body = await response.text();
  const { data, errors } = JSON.parse(body) as Pick<Result, 'data' | 'errors'>;
  return { status: response.status, headers: response.headers, data, errors, body };
}
