import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../support/free-port.ts';
import { ROOT, RUN_TYPESCRIPT, spawnNode } from '../processes.ts';
import type { ClientsOrder, ClientsReply } from './clients.ts';
import type { OrdinaryOrder, OrdinaryReply, Pace } from './ordinary-clients.ts';
import type { AttackOrder, Tally } from './target.ts';
import type { Mode, UpstreamOrder, UpstreamState } from './upstream.ts';

/**
 * So that what is left after a flood can be told from what has not been collected yet. The signal is one that does nothing
 * else.
 */
const COLLECT_ON_SIGNAL = [
  '--expose-gc',
  '--import',
  "data:text/javascript,process.on('SIGWINCH', () => globalThis.gc())",
];

// Nothing that was started outlives this process, whichever way it ends.
const children = new Set<ChildProcess>();
process.on('exit', () => children.forEach((child) => child.kill('SIGKILL')));

interface Child {
  readonly process: ChildProcess;
  readonly pid: number;
  /** How it ended, when nobody stopped it. */
  ended(): string | undefined;
  stop(): Promise<void>;
}

function start(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  core?: number,
  stdout?: number,
): Child {
  const child = spawnNode(args, env, { core, ipc: true, stdout });
  children.add(child);
  let end: string | undefined;
  child.once('error', (error) => {
    end = error.message;
  });
  const gone = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      end ??= signal ?? `code ${code ?? '?'}`;
      resolve();
    });
  });
  return {
    process: child,
    pid: child.pid ?? 0,
    ended: () => end,
    stop() {
      children.delete(child);
      child.kill('SIGKILL');
      return gone;
    },
  };
}

type Order = UpstreamOrder | ClientsOrder | OrdinaryOrder | AttackOrder;

/** Sends an order and gives back the next message. */
function ask<Reply>(child: Child, order: Order): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const failed = (): void => {
      reject(new Error(`a process of the bench ended: ${child.ended() ?? 'by itself'}`));
    };
    child.process.once('exit', failed);
    child.process.once('message', (reply: Reply) => {
      child.process.off('exit', failed);
      resolve(reply);
    });
    child.process.send(order);
  });
}

export interface GatewayUnderFault {
  readonly url: string;
  readonly pid: number;
  ended(): string | undefined;
  collectGarbage(): void;
  stop(): Promise<void>;
}

export interface GatewayProcess {
  readonly core?: number | undefined;
  /** Arguments of Node. */
  readonly nodeArgs?: readonly string[];
  /** File descriptor of its standard output, which its log goes to. */
  readonly stdout?: number | undefined;
}

export async function startGateway(
  upstreamPort: number,
  env: Readonly<Record<string, string>>,
  { core, nodeArgs = [], stdout }: GatewayProcess,
): Promise<GatewayUnderFault> {
  if (!existsSync(`${ROOT}dist/main.js`)) throw new Error('there is no dist/main.js: npm run build');
  const port = await freePort();
  const child = start(
    [...COLLECT_ON_SIGNAL, ...nodeArgs, 'dist/main.js'],
    {
      PORT: String(port),
      HOST: '127.0.0.1',
      SUPERMETRICS_API_URL: `http://127.0.0.1:${upstreamPort}/v1`,
      LOG_LEVEL: 'error',
      NODE_ENV: 'production',
      ...env,
    },
    core,
    stdout,
  );
  const deadline = Date.now() + 30_000;
  for (;;) {
    const ready = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => undefined);
    if (ready?.ok === true) break;
    if (child.ended() !== undefined || Date.now() > deadline) throw new Error('the gateway does not start');
    await sleep(20);
  }
  return {
    url: `http://127.0.0.1:${port}/graphql`,
    pid: child.pid,
    ended: () => child.ended(),
    collectGarbage: () => void child.process.kill('SIGWINCH'),
    stop: () => child.stop(),
  };
}

export interface FaultyUpstream {
  readonly port: number;
  /** Is so from the moment at which this is fulfilled. */
  become(mode: Mode): Promise<UpstreamState>;
  stop(): Promise<void>;
}

export async function startUpstream(latencyMs: number): Promise<FaultyUpstream> {
  const port = await freePort();
  const child = start([...RUN_TYPESCRIPT, 'test/bench/faults/upstream.ts'], {
    PORT: String(port),
    LATENCY_MS: String(latencyMs),
  });
  const become = (mode: Mode): Promise<UpstreamState> => ask(child, { mode });
  await become('healthy');
  return { port, become, stop: () => child.stop() };
}

/** Runs clients in a process of their own. */
export async function runClients(order: ClientsOrder): Promise<ClientsReply> {
  const child = start([...RUN_TYPESCRIPT, 'test/bench/faults/clients.ts'], {});
  const reply = await ask<ClientsReply>(child, order);
  await child.stop();
  return reply;
}

export interface OrdinaryClients {
  readonly pid: number;
  begin(url: string, pace: Pace): Promise<void>;
  /** Ends their polls, and gives back those since they began. */
  end(): Promise<OrdinaryReply>;
  stop(): Promise<void>;
}

/** Ordinary clients of one gateway after the other, in a process of their own. */
export function startOrdinaryClients(): OrdinaryClients {
  const child = start([...RUN_TYPESCRIPT, 'test/bench/faults/ordinary-clients.ts'], {});
  return {
    pid: child.pid,
    async begin(url, pace) {
      await ask(child, { order: 'begin', url, ...pace });
    },
    end: () => ask(child, { order: 'end' }),
    stop: () => child.stop(),
  };
}

export interface Attackers {
  /** Fulfilled once the order is done. */
  follow(order: AttackOrder): Promise<Tally>;
  stop(): Promise<void>;
}

/** Attackers in a process of their own, so that their work delays nobody's measuring. */
export function startAttackers(): Attackers {
  const child = start([...RUN_TYPESCRIPT, 'test/bench/faults/attacker.ts'], {});
  return {
    follow: (order) => ask(child, order),
    stop: () => child.stop(),
  };
}
