import { type Bench, shuffled } from './bench.ts';
import { asMs, type Column, type Sample } from './samples.ts';

/** How often each is started. */
const STARTS = 5;

export const START_TABLES: readonly (readonly Column[])[] = [
  [{ kind: 'varying', figure: 'startupMs', title: 'first right answer, ms', show: asMs }],
];

/** From the start of the process to its first right answer, with the cold caches of a process and the warm ones of a disk. */
export async function measureStart(bench: Bench): Promise<readonly Sample[]> {
  const of = `Start, median of ${STARTS}`;
  const contestants = bench.contestants.filter(({ kind }) => kind !== 'other');
  const samples: Sample[] = [];
  // Round 0 brings the files into the memory of the system.
  for (let round = 0; round <= STARTS; round++) {
    bench.progress(`start: round ${round} of ${STARTS}`);
    for (const contestant of shuffled(contestants)) {
      const { core, upstreamPort } = bench;
      const server = await contestant.start({ ttlMs: 1_000, core, upstreamPort });
      await server.stop();
      if (round > 0)
        samples.push({ of, contestant: contestant.name, round, figures: { startupMs: server.startupMs } });
    }
  }
  const order = contestants.map(({ name }) => name);
  return samples.sort((a, b) => order.indexOf(a.contestant) - order.indexOf(b.contestant));
}
