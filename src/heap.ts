import { performance } from 'node:perf_hooks';
import { getHeapSpaceStatistics, getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Clock, systemClock } from './clock.ts';

/** The heap of this process, and how busy its event loop is. */
export interface Heap {
  /**
   * `used`: bytes of objects, garbage included. `total`: bytes taken from the system for them, and for what they hold
   * outside, such as buffers. `young`: what of that is taken for new objects.
   */
  size(): { readonly used: number; readonly total: number; readonly young: number };
  /** Has the engine collect when the heap has grown by so many percent of its live data. */
  growBy(percent: number): void;
  /** Whether the space for new objects may grow further. */
  letYoungGrow(may: boolean): void;
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
/** A shorter lull is not used. */
export const LULL_MS = 10_000;
/**
 * The growth that is worth giving back after a rush. When the last object of a shape goes, the engine forgets what it learnt
 * about the shape: the first two seconds of the next rush take up to a quarter more time. Load that comes and goes leaves
 * less than this, {@link SLACK} and {@link YOUNG}.
 */
export const LEFT_OVER = 48 * MIB;
/**
 * The garbage that may lie beside the live data. V8 would let a heap grow to four times its live data before it collects,
 * and then keep the size. A request takes no more time for it, as far as that can be measured. V8 then collects in small
 * steps: to collect all at once would stop a gateway with thousands of streams for a third of a second.
 */
export const SLACK = 28 * MIB;
/** A small heap may be left to V8's rule; of a large one less than this would be collected all the time. */
const GROWTH_PERCENT = { least: 20, most: 300 };
/**
 * The space for new objects that is enough. Node.js 20 takes 32 MiB in a rush by itself, and serves no faster with it;
 * Node.js 24 takes 128. It doubles, and is held once it has this.
 */
export const YOUNG = 16 * MIB;
/** The least size within so many samples is about that of the live data. */
const SAMPLES = 20;

/**
 * Keeps this process's memory close to what it needs. V8 collects only when something is allocated, so by itself it would
 * keep the memory of a rush until the next one.
 */
export function keepHeapSmall(heap: Heap = ownHeap(), clock: Clock = systemClock): void {
  let totalWhenQuiet = heap.size().total;
  let growth = 0;
  let youngMayGrow = true;
  const recent: number[] = [];

  function limitGrowth(used: number): void {
    recent.push(used);
    if (recent.length > SAMPLES) recent.shift();
    const percent = Math.round((SLACK / Math.min(...recent)) * 10) * 10;
    const wanted = Math.min(GROWTH_PERCENT.most, Math.max(GROWTH_PERCENT.least, percent));
    if (wanted !== growth) heap.growBy(wanted);
    growth = wanted;
  }

  function limitYoung(young: number): void {
    const may = young < YOUNG;
    if (may !== youngMayGrow) heap.letYoungGrow(may);
    youngMayGrow = may;
  }

  let rushed = false;
  let quietSince: number | undefined;

  function sample(): void {
    const now = clock.monotonic();
    const utilization = heap.utilization();
    rushed ||= utilization > RUSH;
    quietSince = utilization < QUIET ? (quietSince ?? now) : undefined;
    const { used, total, young } = heap.size();
    limitGrowth(used);
    limitYoung(young);
    if (rushed && quietSince !== undefined && now - quietSince >= LULL_MS) {
      rushed = false;
      if (total >= totalWhenQuiet + LEFT_OVER) giveBack();
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
      const { used_heap_size: used, total_heap_size, external_memory } = getHeapStatistics();
      const young = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
      return { used, total: total_heap_size + external_memory, young: young?.space_size ?? 0 };
    },
    growBy(percent) {
      setFlagsFromString(`--heap-growing-percent=${percent}`);
    },
    letYoungGrow(may) {
      setFlagsFromString(`--semi-space-growth-factor=${may ? 2 : 1}`);
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
