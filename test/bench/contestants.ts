import { closeSync, existsSync, mkdirSync, openSync, rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../support/free-port.ts';
import { compilePeers } from './compiled-peers.ts';
import { pin } from './machine.ts';
import { adopt, ROOT, spawnNode } from './processes.ts';
import { checkOneAnswer, workloadsNamed } from './speed/workloads.ts';

/** A server that serves the workloads' part of the gateway's schema over the fake upstream. */
export interface Contestant {
  readonly name: string;
  /** The limit never reads a value again, so it knows only hot workloads; another server is not started by the bench. */
  readonly kind: 'gateway' | 'peer' | 'limit' | 'other';
  /** @throws {Error} where it does not answer right within half a minute */
  start(options: ServerOptions): Promise<RunningServer>;
}

export interface ServerOptions {
  readonly upstreamPort: number;
  readonly core: number | undefined;
  /** How long it keeps values. */
  readonly ttlMs: number;
  /** Further settings of the gateway. */
  readonly settings?: Readonly<Record<string, string>>;
}

export interface RunningServer {
  readonly name: string;
  readonly kind: Contestant['kind'];
  readonly url: string;
  readonly pid: number | undefined;
  /** From the start of the process to an answer that came all the way from the upstream. */
  readonly startupMs: number;
  stop(): Promise<void>;
}

export const GATEWAY = 'gateway';
export const LIMIT = 'node:http limit';
export const YOGA = 'GraphQL Yoga';
export const MERCURIUS = 'Mercurius';

/** The others by the names that options use. */
export const PEERS = { limit: LIMIT, yoga: YOGA, mercurius: MERCURIUS } as const;
export type PeerName = keyof typeof PEERS;

const LOGS = `${ROOT}test/artifacts/`;
/** Those of servers that run; hundreds of megabytes, which a bench that is interrupted takes away too. */
const logFiles = new Set<string>();
process.on('exit', () => logFiles.forEach((file) => rmSync(file, { force: true })));
/** Streams are polled as often as values expire, but not more often than the setting allows. */
const SHORTEST_POLL_MS = 100;

/** The built gateway with everything on: metrics, limits, and a log of every request, written to a file. */
export function gateway(name: string = GATEWAY, node: string = process.execPath): Contestant {
  return {
    name,
    kind: 'gateway',
    start(options) {
      if (!existsSync(`${ROOT}dist/main.js`)) throw new Error('there is no dist/main.js: npm run build');
      const { upstreamPort, ttlMs, settings = {} } = options;
      const env = {
        HOST: '127.0.0.1',
        SUPERMETRICS_API_URL: `http://127.0.0.1:${upstreamPort}/v1`,
        LOG_LEVEL: 'info',
        CACHE_TTL_MS: String(ttlMs),
        SUBSCRIPTION_POLL_MS: String(Math.max(SHORTEST_POLL_MS, ttlMs)),
        ...settings,
      };
      return startServer({ name, kind: 'gateway' }, 'dist/main.js', env, node, options);
    },
  };
}

let peers: Promise<string> | undefined;

export function peer(which: PeerName): Contestant {
  const kind = which === 'limit' ? 'limit' : 'peer';
  const name = PEERS[which];
  return {
    name,
    kind,
    async start(options) {
      const folder = await (peers ??= compilePeers());
      const { upstreamPort, ttlMs } = options;
      const env = { UPSTREAM_URL: `http://127.0.0.1:${upstreamPort}`, CACHE_TTL_MS: String(ttlMs) };
      return startServer({ name, kind }, `${folder}/${which}.js`, env, process.execPath, options);
    },
  };
}

/** A server that runs already, speaks the gateway's schema and asks the bench's upstream. */
export function other(name: string, url: string, pid: number | undefined): Contestant {
  return {
    name,
    kind: 'other',
    async start({ core }) {
      if (core !== undefined && pid !== undefined) pin(pid, [core]);
      await checkAnswer(url);
      return { name, kind: 'other', url, pid, startupMs: NaN, stop: () => Promise.resolve() };
    },
  };
}

async function startServer(
  { name, kind }: Pick<Contestant, 'name' | 'kind'>,
  file: string,
  env: Readonly<Record<string, string>>,
  node: string,
  { core }: ServerOptions,
): Promise<RunningServer> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/graphql`;
  mkdirSync(LOGS, { recursive: true });
  const logFile = `${LOGS}bench-${port}.log`;
  const log = openSync(logFile, 'w');
  logFiles.add(logFile);
  const startedAt = performance.now();
  const child = adopt(
    spawnNode([file], { PORT: String(port), NODE_ENV: 'production', ...env }, { core, stdout: log, node }),
  );
  closeSync(log);
  const stop = async (): Promise<void> => {
    // Of one that ended by itself the log may say why.
    const ended = child.ended();
    await child.stop();
    if (ended === undefined) rmSync(logFile);
    logFiles.delete(logFile);
  };
  for (;;) {
    const reason = await checkAnswer(url).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const startupMs = performance.now() - startedAt;
    if (reason === undefined) return { name, kind, url, pid: child.pid, startupMs, stop };
    if (child.ended() !== undefined || startupMs > 30_000) {
      const how =
        child.ended() === undefined ? 'does not answer right' : `ended with ${child.ended() ?? '?'}`;
      await stop();
      throw new Error(`${name} ${how}`, { cause: reason.error });
    }
    await sleep(2);
  }
}

async function checkAnswer(url: string): Promise<void> {
  for (const workload of workloadsNamed('W1')) await checkOneAnswer(url, workload);
}
