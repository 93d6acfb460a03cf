import { type Bench, inTurns } from './bench.ts';
import type { RunningServer } from './contestants.ts';
import { whole } from './format.ts';
import { peakResidentMiB, residentMiB } from './machine.ts';
import { watch } from './readers/watch.ts';
import type { Column, Sample } from './samples.ts';
import { measureSlice, type SpeedOptions } from './speed/speed.ts';
import { audienceOf, type TruthOptions } from './truth.ts';

export const MEMORY_TABLES: readonly (readonly Column[])[] = [
  [
    { kind: 'varying', figure: 'resident', title: 'resident MiB', show: whole },
    { kind: 'median', figure: 'peak', title: 'most at any moment', show: whole },
  ],
];

/** What is resident after every hot workload, and at the end of a time with readers; each with a process of its own. */
export async function measureMemory(
  bench: Bench,
  {
    speed,
    truth,
  }: { readonly speed: SpeedOptions; readonly truth: TruthOptions & { readonly ttlMs: number } },
): Promise<readonly Sample[]> {
  const contestants = bench.contestants.filter(({ kind }) => kind === 'gateway' || kind === 'peer');
  const hot = speed.workloads.filter(({ cold }) => !cold);
  const afterHot = `Resident after the hot workloads: ${hot.map(({ name }) => name).join(', ')}`;
  const hotSamples = await inTurns(
    bench,
    afterHot,
    contestants.map((contestant) => ({ contestant, options: { ttlMs: speed.ttlMs } })),
    async (server, round) => {
      for (const workload of hot) {
        const { fault } = await measureSlice(bench, server, workload, round, speed);
        if (fault !== undefined) throw new Error(`${workload.name}: ${fault}`);
      }
      return [{ of: afterHot, contestant: server.name, round, figures: residentFigures(server) }];
    },
  );

  const { pollers, streams } = truth;
  const withReaders = `Resident with ${pollers} polled dashboards, and ${streams} streams where there are any`;
  const readersSamples = await inTurns(
    bench,
    withReaders,
    contestants.map((contestant) => ({ contestant, options: { ttlMs: truth.ttlMs } })),
    async (server, round) => {
      const { figures } = await watch(bench, server, audienceOf(truth));
      return [
        {
          of: withReaders,
          contestant: server.name,
          round,
          figures: { resident: figures['resident'] ?? NaN, peak: residentFigures(server)['peak'] ?? NaN },
        },
      ];
    },
  );
  return [...hotSamples, ...readersSamples];
}

function residentFigures({ pid }: RunningServer): Sample['figures'] {
  if (pid === undefined) return {};
  return { resident: residentMiB(pid) ?? NaN, peak: peakResidentMiB(pid) ?? NaN };
}
