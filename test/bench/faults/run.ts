import { loadavg } from 'node:os';
import { describeMachine, separateCores } from '../machine.ts';
import { claimsTable, type Findings } from './claims.ts';
import { flood } from './flood.ts';
import { outage } from './outage.ts';

/**
 * What becomes of the built gateway's answers when its upstream is down, or when far more is asked of it than it can
 * get. Prints Markdown; ends with code 1 where the gateway does not live up to a claim.
 */
const BENCHES = { outage, flood };
const USAGE = `npm run bench:faults -- [${Object.keys(BENCHES).join('] [')}]`;

/** To standard error: standard output is the report. */
function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function main(args: readonly string[]): Promise<boolean> {
  const unknown = args.filter((arg) => !Object.hasOwn(BENCHES, arg));
  if (unknown.length > 0) throw new Error(`there is no ${unknown.join(', ')}\n${USAGE}`);
  const loadBefore = loadavg()[0] ?? NaN;
  const cores = separateCores();
  const findings: Findings[] = [];
  for (const [name, bench] of Object.entries(BENCHES)) {
    if (args.length === 0 || args.includes(name)) findings.push(await bench(cores?.server, progress));
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
