import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';
import { describeMachine, separateCores } from '../machine.ts';
import { claimsTable, type Findings } from './claims.ts';
import { door } from './door.ts';
import { DOOR_ATTACKS } from './door-attacks.ts';
import { flood } from './flood.ts';
import { NEIGHBOURS } from './bad-neighbours.ts';
import { neighbours } from './neighbours.ts';
import { outage } from './outage.ts';

/**
 * What becomes of the built gateway's answers when its upstream is down, when far more is asked of it than it can get,
 * when somebody attacks it at the door, or beside bad neighbours. Prints Markdown; ends with code 1 where the gateway
 * does not live up to a claim.
 */
const BENCHES = { outage, flood, door, neighbours };
const ATTACKS = [...Object.keys(DOOR_ATTACKS), ...Object.keys(NEIGHBOURS)];
const USAGE = `npm run bench:faults -- [${Object.keys(BENCHES).join('] [')}] [--attacks NAME,NAME]
  --attacks  some of those at the door: ${Object.keys(DOOR_ATTACKS).join(', ')};
             some of the bad neighbours: ${Object.keys(NEIGHBOURS).join(', ')}`;

/** To standard error: standard output is the report. */
function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

function readArguments(args: readonly string[]): {
  readonly names: readonly string[];
  /** All, where none are named. */
  readonly attacks: readonly string[] | undefined;
} {
  const { values, positionals: names } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: { attacks: { type: 'string' } },
  });
  const attacks = values.attacks?.split(',');
  const unknown = [
    ...names.filter((name) => !Object.hasOwn(BENCHES, name)),
    ...(attacks ?? []).filter((name) => !ATTACKS.includes(name)),
  ];
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}\n${USAGE}`);
  return { names, attacks };
}

async function main(args: readonly string[]): Promise<boolean> {
  const { names, attacks } = readArguments(args);
  const loadBefore = loadavg()[0] ?? NaN;
  const cores = separateCores();
  const findings: Findings[] = [];
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (names.length === 0 || names.includes(name))
      findings.push(await bench(cores?.server, progress, attacks));
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

try {
  process.exit((await main(process.argv.slice(2))) ? 0 : 1);
} catch (error) {
  progress(error instanceof Error ? error.message : String(error));
  process.exit(1);
}
