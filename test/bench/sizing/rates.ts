import type { Bench } from '../bench.ts';
import type { Contestant } from '../contestants.ts';
import { measureSlice } from '../speed/speed.ts';
import { type Workload, workloadsNamed } from '../speed/workloads.ts';
import { median } from '../statistics.ts';

/** What one core serves at saturation. */
export interface Rate {
  readonly workload: Workload;
  readonly perSecond: number;
}

const CONNECTIONS = 64;
const SLICE_SECONDS = 2;
const TTL_MS = 20_000;

/** @throws {Error} where an answer is wrong */
export async function measureRates(bench: Bench, gateway: Contestant): Promise<readonly Rate[]> {
  const { core, upstreamPort, rounds, progress } = bench;
  const server = await gateway.start({ ttlMs: TTL_MS, core, upstreamPort });
  const rates: Rate[] = [];
  try {
    for (const workload of workloadsNamed('W1', 'W3')) {
      progress(`sizing: ${workload.name}`);
      const found: number[] = [];
      // Round 0 warms up and is thrown away.
      for (let round = 0; round <= rounds; round++) {
        const options = { connections: CONNECTIONS, sliceSeconds: SLICE_SECONDS, ttlMs: TTL_MS };
        const { figures, fault } = await measureSlice(bench, server, workload, round, options);
        if (fault !== undefined) throw new Error(`${workload.name}: ${fault}`);
        if (round > 0) found.push(figures['perSecond'] ?? NaN);
      }
      rates.push({ workload, perSecond: median(found) });
    }
  } finally {
    await server.stop();
  }
  return rates;
}
