import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createWorld } from '../../../src/sandbox/world/world.ts';
import { startClients } from '../../support/balanced-clients.ts';
import { type BalancerProgram, haproxy, nginx } from '../../support/balancers.ts';
import { freePort } from '../../support/free-port.ts';
import { unitEnvironment } from '../../support/recipes.ts';
import { adopt, spawnNode } from '../processes.ts';
import { percentile } from '../statistics.ts';
import { type Claim, claim, type Findings, milliseconds } from './claims.ts';

const CROWD = { pollers: 200, pollMs: 1_000, streams: 1_000 };
/** For the streams to begin, and for those that were broken off to be back. */
const PATIENCE_MS = 30_000;
/** Of the reconnects of all streams, in any second. */
const MOST_AT_ONCE = 1 / 4;

interface Rolled {
  readonly name: string;
  readonly polls: number;
  readonly failed: readonly string[];
  readonly pollTimes: readonly number[];
  readonly streams: number;
  /** The reconnects in each second since the first gateway was told to stop. */
  readonly reconnects: readonly number[];
  readonly seconds: number;
}

/** Restarts two gateways one after the other behind each balancer, with the settings and the balancers of the recipes. */
export async function rolling(core: number | undefined, progress: (text: string) => void): Promise<Findings> {
  const missing = [nginx, haproxy].flatMap((program) => program.missing ?? []);
  if (missing.length > 0)
    return { report: `### Rolling restart\n\nNot run: ${missing.join('; ')}`, claims: [] };
  const found: Rolled[] = [];
  for (const program of [nginx, haproxy]) {
    progress(`rolling: ${CROWD.pollers} clients and ${CROWD.streams} streams behind ${program.name}`);
    found.push(await roll(program, core));
  }
  return { report: reportOf(found), claims: found.flatMap(claimsOf) };
}

async function roll(program: BalancerProgram, core: number | undefined): Promise<Rolled> {
  const world = createWorld();
  const backfillId = world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const done = (runs: number): void => {
    world.set(backfillId, { transfer_runs_total: 200, transfer_runs_completed: runs });
  };
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  const folder = mkdtempSync(join(tmpdir(), 'rolling-'));
  const ports = [await freePort(), await freePort()] as const;
  const first = await startGateway(ports[0], sandbox.url, core);
  const second = await startGateway(ports[1], sandbox.url, core);
  const balancer = await program.start({ folder, port: await freePort(), gateways: ports });
  done(1);
  const clients = startClients(balancer, { ...CROWD, backfillId });
  const told = (runs: number): number => clients.latest.filter((latest) => latest === runs).length;
  await until(() => told(1) === CROWD.streams);
  // Those that the gateway turned away at the start came again too.
  const before = { reconnects: clients.reconnects.length, polls: clients.pollTimes.length };

  const beganAt = performance.now();
  await first.stop();
  const firstAgain = await startGateway(ports[0], sandbox.url, core);
  await second.stop();
  const secondAgain = await startGateway(ports[1], sandbox.url, core);
  const seconds = (performance.now() - beganAt) / 1_000;
  done(2);
  await until(() => told(2) === CROWD.streams);
  await clients.stop();
  await balancer.stop();
  await Promise.all([firstAgain.stop(), secondAgain.stop()]);
  await sandbox.close();
  rmSync(folder, { recursive: true });

  return {
    name: program.name,
    polls: clients.pollTimes.length - before.polls,
    failed: [...clients.outcomes].flatMap(([outcome, count]) =>
      outcome === 'ok' ? [] : `${count} × ${outcome}`,
    ),
    pollTimes: clients.pollTimes.slice(before.polls),
    streams: clients.over.length === 0 ? told(2) : 0,
    reconnects: bySecond(clients.reconnects.slice(before.reconnects).map((at) => at - beganAt)),
    seconds,
  };
}

async function startGateway(
  port: number,
  upstream: string,
  core: number | undefined,
): Promise<{ stop(): Promise<void> }> {
  const env = { ...unitEnvironment(port), SUPERMETRICS_API_URL: upstream, LOG_LEVEL: 'error' };
  const process = spawnNode(['dist/main.js'], env, { core });
  const child = adopt(process);
  await until(async () => {
    const { ok } = await fetch(`http://127.0.0.1:${port}/ready`).catch(() => ({ ok: false }));
    return ok || child.ended() !== undefined;
  });
  return {
    async stop() {
      const exited = once(process, 'exit');
      process.kill('SIGTERM');
      await exited;
    },
  };
}

/** Waits for a condition, and goes on without it after a while: the claims say what was missing. */
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition()) && performance.now() < deadline) await sleep(20);
}

function bySecond(times: readonly number[]): readonly number[] {
  const last = Math.floor(Math.max(0, ...times) / 1_000);
  return Array.from(
    { length: last + 1 },
    (_, second) => times.filter((time) => Math.floor(time / 1_000) === second).length,
  );
}

function reportOf(found: readonly Rolled[]): string {
  const most = Math.max(...found.map(({ reconnects }) => reconnects.length));
  const cell = (count = 0): string => `${count} ${'▪'.repeat(Math.ceil(count / 10))}`;
  return [
    `### Rolling restart of two gateways, ${CROWD.pollers} clients that poll each second, ${CROWD.streams} streams`,
    '',
    `| figure | ${found.map(({ name }) => name).join(' | ')} |`,
    `| --- | ${found.map(() => '---:').join(' | ')} |`,
    `| polls, failed | ${found.map(({ polls, failed }) => `${polls}, ${failed.join('; ') || 0}`).join(' | ')} |`,
    `| a poll's time, p50, p95, longest | ${found.map(({ pollTimes }) => [0.5, 0.95, 1].map((share) => milliseconds(percentile(pollTimes, share))).join(', ')).join(' | ')} |`,
    `| streams that went on | ${found.map(({ streams }) => streams).join(' | ')} |`,
    `| both gateways restarted in | ${found.map(({ seconds }) => `${seconds.toFixed(1)} s`).join(' | ')} |`,
    '',
    'Clients of streams that connected again, in each second since the first gateway was told to stop (▪ is ten):',
    '',
    `| second | ${found.map(({ name }) => name).join(' | ')} |`,
    `| ---: | ${found.map(() => '---').join(' | ')} |`,
    ...Array.from(
      { length: most },
      (_, second) => `| ${second} | ${found.map(({ reconnects }) => cell(reconnects[second])).join(' | ')} |`,
    ),
  ].join('\n');
}

function claimsOf({ name, failed, polls, streams, reconnects }: Rolled): readonly Claim[] {
  const most = Math.max(...reconnects);
  const all = reconnects.reduce((sum, count) => sum + count, 0);
  return [
    claim(
      `${name}: no poll fails`,
      `${failed.join('; ') || 0} of ${polls}`,
      failed.length === 0 && polls > 0,
    ),
    claim(`${name}: every stream goes on`, `${streams} of ${CROWD.streams}`, streams === CROWD.streams),
    claim(
      `${name}: the clients of streams come back spread, at most a quarter of them in a second`,
      `at most ${most} of ${all}`,
      most <= MOST_AT_ONCE * all,
    ),
  ];
}
