import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { ConfigError } from '../config.ts';
import type { FederatedOptions, FederatedPorts } from './federated/federated.ts';

export const ROUTER_PORT = 4100;

export interface FederatedSettings extends Omit<FederatedOptions, 'ports'> {
  /** Of the router, as it was given in `ROUTER_PORT`. */
  readonly port: string | undefined;
}

/** The composed graph. */
export interface RunningFederated extends FederatedPorts {
  close(): Promise<void>;
}

/**
 * Starts an owner of transfers and a router before both subgraphs. They have a thread of their own: a router that reads its
 * graph, or plans an operation for the first time, would let the gateway beside it believe that it is overloaded.
 * @throws {ConfigError} for a port that is none or in use, and where the packages for it are not installed
 */
export async function startFederatedWith({ port, ...options }: FederatedSettings): Promise<RunningFederated> {
  if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) <= 65_535))
    throw new ConfigError('ROUTER_PORT must be a whole number from 0 to 65535');
  const workerData: FederatedOptions = {
    ...options,
    ports: port === undefined ? [ROUTER_PORT, 0] : [Number(port)],
  };
  // Of what is built: a thread reads no TypeScript.
  const worker = new Worker(new URL('./federated/thread.js', import.meta.url), { workerData });
  const [ports] = (await once(worker, 'message').catch((error: unknown) => {
    if (hasCode(error, 'EADDRINUSE'))
      throw new ConfigError(`ROUTER_PORT ${port} is in use: stop what listens there, or set another one`);
    if (hasCode(error, 'ERR_MODULE_NOT_FOUND'))
      throw new ConfigError('--federated needs the development dependencies: run npm ci');
    throw error;
  })) as [FederatedPorts];
  return {
    ...ports,
    async close() {
      const ended = once(worker, 'exit');
      worker.postMessage('close');
      await ended;
    },
  };
}

function hasCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
