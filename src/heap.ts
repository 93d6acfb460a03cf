import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const MIB = 1024 * 1024;
const SAMPLE_MS = 500;
/** Shares of its time in which the event loop has something to do: a rush is above one, and over below the other. */
const RUSH = 0.5;
const QUIET = 0.1;
/** Not in every lull: with the last object of a shape goes what the engine had learnt about it. */
const QUIET_SAMPLES = 20;
/** What is worth giving back after a rush. */
const LEFT_OVER = 48 * MIB;
/** From here on a heap is collected in a rush too. What a busy gateway holds, and what it leaves behind, fit below. */
const LARGE = 260 * MIB;
/** How many times what was left then it must be to be collected again: one that is full of what is needed is let be. */
const GROWTH = 2;

/**
 * Holds this process's memory close to what it needs. V8 by itself lets a heap grow to four times what lives in it, and
 * looks at it when something is allocated only: what a rush took would be kept until the next one.
 */
export function keepHeapSmall(): void {
  const collect = exposedCollector();
  let totalWhenQuiet = heapSize().total;
  let usedAfterLast = 0;
  let rushed = false;
  let quietSamples = 0;
  let loop = performance.eventLoopUtilization();

  setInterval(() => {
    const before = loop;
    loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, before);
    rushed ||= utilization > RUSH;
    quietSamples = utilization < QUIET ? quietSamples + 1 : 0;
    const { used, total } = heapSize();
    if (rushed && quietSamples >= QUIET_SAMPLES) {
      rushed = false;
      if (total < totalWhenQuiet + LEFT_OVER) return;
      collect();
      // Which pages are nearly empty is known after the first; the second moves what is left on them together.
      collect();
      totalWhenQuiet = Math.max(totalWhenQuiet, heapSize().total);
    } else if (quietSamples === 0 && used > Math.max(LARGE, usedAfterLast * GROWTH)) {
      collect();
      usedAfterLast = heapSize().used;
    }
  }, SAMPLE_MS).unref();
}

function heapSize(): { readonly used: number; readonly total: number } {
  const { used_heap_size: used, total_heap_size: total } = getHeapStatistics();
  return { used, total };
}

/** What `--expose-gc` gives; the command that starts the gateway has no flags. */
function exposedCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
