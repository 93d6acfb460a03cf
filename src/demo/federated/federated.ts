import { once } from 'node:events';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { listen } from '../listen.ts';
import { composeByGuild } from './compose.ts';
import { createOwner } from './owner.ts';
import { createRouter } from './router.ts';

export interface FederatedOptions {
  /** The URL of the gateway's `/graphql`, at which this process reaches it. */
  readonly gateway: string;
  /** The address on which the router listens. */
  readonly host: string;
  /** The router's port; the first that is free. */
  readonly ports: readonly number[];
}

export interface FederatedPorts {
  readonly router: number;
  readonly owner: number;
}

/** A composed graph: the gateway, an owner of transfers, and a router before both. */
export interface Federated extends FederatedPorts {
  close(): Promise<void>;
}

/**
 * Starts an owner of transfers, composes what it and the gateway answer to `_service`, and starts a router before them.
 * @throws the system's error, such as `EADDRINUSE`, when no port can be had
 */
export async function startFederated({ gateway, host, ports }: FederatedOptions): Promise<Federated> {
  const ends: (() => Promise<void>)[] = [];
  async function close(): Promise<void> {
    for (const end of ends.toReversed()) await end();
  }

  try {
    const owner = await listen(createOwner(), '127.0.0.1', [0]);
    ends.push(() => stop(owner));
    const ownerUrl = `http://127.0.0.1:${portOf(owner)}/graphql`;
    const { errors, supergraph } = composeByGuild([
      { name: 'backfills', url: gateway, sdl: await readSdl(gateway) },
      { name: 'transfers', url: ownerUrl, sdl: await readSdl(ownerUrl) },
    ]);
    if (supergraph === undefined) throw new Error(`The subgraphs do not compose: ${errors.join('; ')}`);
    const runtime = createRouter(supergraph);
    ends.push(async () => {
      await runtime[Symbol.asyncDispose]();
    });
    // It reads the supergraph when it is first asked. Nobody should wait for that.
    await runtime.getSchema();
    const router = await listen((request, response) => void runtime(request, response), host, ports);
    ends.push(() => stop(router));
    return { router: portOf(router), owner: portOf(owner), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** As a router's tools read it: with no credential. */
async function readSdl(url: string): Promise<string> {
  const answer = await ask(url, '{ _service { sdl } }');
  const { data } = JSON.parse(answer) as { readonly data: { readonly _service: { readonly sdl: string } } };
  return data._service.sdl;
}

/** @returns the body; a busy machine's gateway answers 503 for a moment, and is asked again */
async function ask(url: string, query: string, tries = 20): Promise<string> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query }),
  });
  const body = await response.text();
  if (response.ok) return body;
  if (response.status !== 503 || tries === 1) throw new Error(`${url} answered ${response.status}: ${body}`);
  await pause(250);
  return ask(url, query, tries - 1);
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port;
}

/** Ends streams too: nobody needs them to the end. */
async function stop(server: Server): Promise<void> {
  const closed = once(server, 'close');
  server.close();
  server.closeAllConnections();
  await closed;
}
