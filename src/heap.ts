import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const MIB = 1024 * 1024;
const SAMPLE_MS = 500;
/** The share of its time in which the event loop has something to do, below which nobody minds a pause. */
const QUIET = 0.1;
/** Not in every lull: with the last object of a shape goes what the engine had learnt about it. */
const QUIET_SAMPLES = 10;
/** From here on a heap is collected under load too. What a busy gateway holds, and what it leaves behind, fit below. */
const LARGE = 200 * MIB;
/** What it must have grown by since it was last collected: one that is full of what is needed is left alone. */
const STEP = 64 * MIB;

/**
 * Holds this process's memory close to what it needs. V8 by itself lets a heap grow to four times what lives in it, and
 * looks at it when something is allocated only: what a rush took would be kept until the next one.
 */
export function keepHeapSmall(): void {
  const collect = exposedCollector();
  let totalWhenQuiet = heapSize().total;
  let usedAfterLast = 0;
  let quietSamples = 0;
  let loop = performance.eventLoopUtilization();

  setInterval(() => {
    const before = loop;
    loop = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(loop, before);
    quietSamples = utilization < QUIET ? quietSamples + 1 : 0;
    const { used, total } = heapSize();
    if (quietSamples >= QUIET_SAMPLES && total > totalWhenQuiet + STEP) {
      collect();
      // Which pages are nearly empty is known after the first; the second moves what is left on them together.
      collect();
      totalWhenQuiet = heapSize().total;
    } else if (quietSamples === 0 && used > Math.max(LARGE, usedAfterLast + STEP)) {
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
