import { performance } from 'node:perf_hooks';
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, systemClock } from './clock.ts';

/** The heap of this process, and how busy its event loop is. */
export interface Heap {
  /** `used`: bytes of objects, garbage included. `total`: bytes taken from the system for them. */
  size(): { readonly used: number; readonly total: number };
  /** The share of time, since the last call, in which the event loop was busy. */
  utilization(): number;
  /** Collects all garbage at once, which takes about a tenth of a second. */
  collect(): void;
}

export const MIB = 1024 * 1024;
const SAMPLE_MS = 500;
/** Above this utilization there is a rush. */
const RUSH = 0.5;
/** Below this utilization the process is quiet. */
const QUIET = 0.1;
/** A shorter lull is not used: when the last object of a shape goes, the engine forgets what it learnt about the shape. */
export const LULL_MS = 10_000;
/** The growth that is worth giving back after a rush. */
export const LEFT_OVER = 48 * MIB;
/** A larger heap is collected during a rush too. The live data and the garbage of a busy gateway fit below. */
export const LARGE = 260 * MIB;
/** Collect again only at this multiple of what survived the last collection: live data cannot be collected. */
const GROWTH = 2;

/**
 * Keeps this process's memory close to what it needs. V8 by itself lets a heap grow to four times its live data, and
 * collects only when something is allocated, so it would keep the memory of a rush until the next one.
 */
export function keepHeapSmall(heap: Heap = ownHeap(), clock: Clock = systemClock): void {
  let totalWhenQuiet = heap.size().total;
  let usedAfterLast = 0;
  let rushed = false;
  let quietSince: number | undefined;

  function sample(): void {
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
    clock.after(SAMPLE_MS, sample);
  }

  function giveBack(): void {
    heap.collect();
    // The first collection finds out which pages are nearly empty; the second moves their objects together.
    heap.collect();
    totalWhenQuiet = Math.max(totalWhenQuiet, heap.size().total);
  }

  clock.after(SAMPLE_MS, sample);
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
