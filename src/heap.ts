import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, systemClock } from './clock.ts';

/** The heap of this process and how busy its event loop is. */
export interface Heap {
  /** Bytes that live or have not been collected yet, and bytes that are taken from the system for them. */
  size(): { readonly used: number; readonly total: number };
  /** The share of its time in which the event loop had something to do since it was asked last. */
  utilization(): number;
  /** Collects all garbage, at once, which takes a tenth of a second or so. */
  collect(): void;
}

export const MIB = 1024 * 1024;
const SAMPLE_MS = 500;
/** A rush is busier than one, and over below the other. */
const RUSH = 0.5;
const QUIET = 0.1;
/** Not in every lull: with the last object of a shape goes what the engine had learnt about it. */
export const LULL_MS = 10_000;
/** What is worth giving back after a rush. */
export const LEFT_OVER = 48 * MIB;
/** From here on a heap is collected in a rush too. What a busy gateway holds, and what it leaves behind, fit below. */
export const LARGE = 260 * MIB;
/** How many times what was left then it must be to be collected again: one that is full of what is needed is let be. */
const GROWTH = 2;

/**
 * Holds this process's memory close to what it needs. V8 by itself lets a heap grow to four times what lives in it, and
 * looks at it when something is allocated only: what a rush took would be kept until the next one.
 */
export function keepHeapSmall(heap: Heap = ownHeap(), clock: Clock = systemClock): void {
  let totalWhenQuiet = heap.size().total;
  let usedAfterLast = 0;
  let rushed = false;
  let quietSince: number | undefined;

  function look(): void {
    const now = clock.monotonic();
    const utilization = heap.utilization();
    rushed ||= utilization > RUSH;
    quietSince = utilization < QUIET ? (quietSince ?? now) : undefined;
    const { used, total } = heap.size();
    if (rushed && quietSince !== undefined && now - quietSince >= LULL_MS) {
      rushed = false;
      if (total >= totalWhenQuiet + LEFT_OVER) giveBack();
    } else if (quietSince === undefined && used > Math.max(LARGE, usedAfterLast * GROWTH)) {
      heap.collect();
      usedAfterLast = heap.size().used;
    }
    clock.after(SAMPLE_MS, look);
  }

  function giveBack(): void {
    heap.collect();
    // Which pages are nearly empty is known after the first; the second moves what is left on them together.
    heap.collect();
    totalWhenQuiet = Math.max(totalWhenQuiet, heap.size().total);
  }

  clock.after(SAMPLE_MS, look);
}

function ownHeap(): Heap {
  let last = performance.eventLoopUtilization();
  return {
    size() {
      const { used_heap_size: used, total_heap_size: total } = getHeapStatistics();
      return { used, total };
    },
    utilization() {
      const before = last;
      last = performance.eventLoopUtilization();
      return performance.eventLoopUtilization(last, before).utilization;
    },
    collect: exposedCollector(),
  };
}

/** What `--expose-gc` gives; the command that starts the gateway has no flags. */
function exposedCollector(): () => void {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as () => void;
}
