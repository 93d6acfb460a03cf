import { loadavg } from 'node:os';
import { UsageError } from '../../../src/command-line.ts';
import { runScript } from '../../support/script.ts';
import { describeMachine, separateCores } from '../machine.ts';
import { claimsTable, type Findings } from './claims.ts';
import { door } from './door.ts';
import { DOOR_ATTACKS } from './door-attacks.ts';
import { flood } from './flood.ts';
import { NEIGHBOURS } from './bad-neighbours.ts';
import { neighbours } from './neighbours.ts';
import { outage } from './outage.ts';
import { redis } from './redis.ts';
import { rolling } from './rolling.ts';

/**
 * What becomes of the built gateway's answers when its upstream is down, when far more is asked of it than it can get,
 * when somebody attacks it at the door, beside bad neighbours, while it is restarted behind a balancer, or when the Redis that
 * replicas share is in trouble. Prints Markdown; ends with code 1 where the gateway does not live up to a claim.
 */
const BENCHES = { outage, flood, door, neighbours, rolling, redis };
const ATTACKS = [...Object.keys(DOOR_ATTACKS), ...Object.keys(NEIGHBOURS)];
/** Of one trouble of Redis. */
const SECONDS = 120;
const COMMAND = {
  name: 'npm run bench:faults --',
  does: `Shows what becomes of the built gateway's answers in trouble. Prints Markdown;
ends with code 1 where the gateway does not live up to a claim.`,
  operands: { name: Object.keys(BENCHES).join('|'), does: 'which bench; all without a name' },
  options: {
    attacks: { type: 'string', value: 'NAME,NAME', does: `some of ${ATTACKS.join(', ')}` },
    seconds: {
      type: 'string',
      value: 'N',
      does: `redis: how long for each trouble (${SECONDS}), 11 minutes in all`,
    },
  },
  examples: [
    'npm run bench:faults -- outage',
    'npm run bench:faults -- door',
    'npm run bench:faults -- redis --seconds 30',
  ],
} as const;

/** To standard error: standard output is the report. */
function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** @throws {UsageError} for a name that there is none of */
function assertKnown(names: readonly string[], attacks: readonly string[]): void {
  const unknown = [
    ...names.filter((name) => !Object.hasOwn(BENCHES, name)),
    ...attacks.filter((name) => !ATTACKS.includes(name)),
  ];
  if (unknown.length > 0)
    throw new UsageError(`there is no ${unknown.join(', ')}: see ${COMMAND.name} --help`);
}

async function main(
  names: readonly string[],
  attacks: readonly string[] | undefined,
  seconds: number,
): Promise<boolean> {
  const loadBefore = loadavg()[0] ?? NaN;
  const cores = separateCores();
  const findings: Findings[] = [];
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (names.length === 0 || names.includes(name))
      findings.push(await bench(cores?.server, progress, attacks, seconds));
  }
  const claims = findings.flatMap((one) => one.claims);
  console.log(
    [
      ...findings.map(({ report }) => report),
      claimsTable(claims),
      `Machine: ${describeMachine(cores)}. Load average over a minute before it began: ${loadBefore.toFixed(1)}.`,
    ].join('\n\n'),
  );
  return claims.every(({ holds }) => holds);
}

await runScript(COMMAND, async ({ attacks: given, seconds: long }, names) => {
  const attacks = given?.split(',');
  const seconds = Number(long ?? SECONDS);
  assertKnown(names, attacks ?? []);
  if (!(Number.isInteger(seconds) && seconds >= 10 && seconds <= 3_600))
    throw new UsageError(`--seconds must be a number from 10 to 3600; got ${long ?? ''}`);
  try {
    process.exit((await main(names, attacks, seconds)) ? 0 : 1);
  } catch (error) {
    progress(error instanceof Error ? error.message : String(error));
    process.exit(1);
  }
});
