import { mkdirSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { economy } from './economy/economy.ts';
import { describeMachine, pin, residentMiB, separateCores } from './machine.ts';
import { runScript } from '../support/script.ts';
import { COMMAND, readOptions, type Options } from './options.ts';
import { freePort, startGateway, startLoad, startOwn } from './processes.ts';
import { toMarkdown, type Findings } from './report.ts';
import { measureRounds, type Target } from './rounds.ts';
import { checkOneAnswer, type Workload, WORKLOADS } from './workloads.ts';

/**
 * Speed: measures the built gateway on this machine, between a fake upstream and a load generator, next to a bare
 * node:http server that answers as much. Economy: see economy.ts. See --help; ends with code 1 where a claim fails.
 */
const STARTS = 5;
const ARTIFACTS = new URL('../artifacts/', import.meta.url);

const FLOOR = 'bare node:http';

async function speed(options: Options): Promise<Findings> {
  const cores = separateCores();
  const machine = describeMachine(cores);
  progress(machine);
  const upstreamPort = options.upstreamPort === 0 ? await freePort() : options.upstreamPort;
  await startOwn('upstream.ts', upstreamPort);

  progress(`starting the gateway ${STARTS} times`);
  const startupMs: number[] = [];
  let gateway = await startUntilRight(upstreamPort, cores?.server);
  for (;;) {
    startupMs.push(gateway.startupMs);
    if (startupMs.length === STARTS) break;
    await gateway.stop();
    gateway = await startUntilRight(upstreamPort, cores?.server);
  }
  const { pid, url } = gateway;

  const targets: Target[] = [
    { name: 'gateway', kind: 'gateway', pid, url: () => url },
    await startFloor(url, options.workloads, cores?.server),
    ...options.also.map((server): Target => {
      if (cores !== undefined && server.pid !== undefined) pin(server.pid, [cores.server]);
      return { name: server.name, kind: 'other', pid: server.pid, url: () => server.url };
    }),
  ];
  const upstreamCalls = async (): Promise<number> =>
    Number(await (await fetch(`http://127.0.0.1:${upstreamPort}/calls`)).text());
  const samples = await measureRounds({ options, targets, load: startLoad(), upstreamCalls }, progress);
  const resident = pid === undefined ? undefined : residentMiB(pid);
  return { machine, options, floor: FLOOR, samples, startupMs, residentMiB: resident };
}

interface StartedGateway {
  readonly url: string;
  readonly pid: number | undefined;
  readonly startupMs: number;
  stop(): Promise<void>;
}

/** From the start of the process to an answer that came all the way from the upstream. */
async function startUntilRight(upstreamPort: number, core: number | undefined): Promise<StartedGateway> {
  const [workload] = WORKLOADS;
  if (workload === undefined) throw new Error('there are no workloads');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/graphql`;
  const startedAt = performance.now();
  const child = startGateway(port, upstreamPort, core);
  for (;;) {
    const reason = await checkOneAnswer(url, workload).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    const startupMs = performance.now() - startedAt;
    if (reason === undefined) return { url, pid: child.pid, startupMs, stop: () => child.stop() };
    if (startupMs > 30_000) throw new Error('the gateway does not answer right', { cause: reason.error });
    await sleep(2);
  }
}

/** The floor answers each workload with a constant: what the gateway answered to it. */
async function startFloor(
  gatewayUrl: string,
  workloads: readonly Workload[],
  core: number | undefined,
): Promise<Target> {
  const port = await freePort();
  const url = ({ name }: Workload): string => `http://127.0.0.1:${port}/${name}`;
  const { pid } = await startOwn('bare.ts', port, core);
  for (const workload of workloads) {
    const body = await checkOneAnswer(gatewayUrl, workload);
    await fetch(url(workload), { method: 'PUT', body });
  }
  return { name: FLOOR, kind: 'floor', pid, url };
}

/** To standard error: standard output is the report. */
function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function explain(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${explain(error.cause)}`;
}

/** @returns whether everything is as it is claimed to be */
async function main(options: Options): Promise<boolean> {
  if (options.benches.includes('speed')) {
    const findings = await speed(options);
    mkdirSync(ARTIFACTS, { recursive: true });
    writeFileSync(
      new URL('bench.json', ARTIFACTS),
      `${JSON.stringify({ at: new Date().toISOString(), ...findings }, null, 2)}\n`,
    );
    console.log(toMarkdown(findings));
  }
  if (!options.benches.includes('economy')) return true;
  const { report, claims } = await economy(progress);
  console.log(report);
  return claims.every(({ holds }) => holds);
}

await runScript(COMMAND, async (given, operands) => {
  const options = readOptions(given, operands);
  try {
    process.exit((await main(options)) ? 0 : 1);
  } catch (error) {
    progress(explain(error));
    process.exit(1);
  }
});
