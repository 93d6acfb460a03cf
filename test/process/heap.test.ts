import { describe, expect, it } from 'vitest';
import { type Heap, keepHeapSmall, LEFT_OVER, LULL_MS, MIB, SLACK, YOUNG } from '../../src/heap.ts';
import { createManualClock, type ManualClock } from '../harness.ts';

const LIVE = 40 * MIB;

/** A heap whose size and load the test sets. A collection leaves the live part. */
function startKeeping(): {
  readonly clock: ManualClock;
  readonly heap: Heap & {
    used: number;
    live: number;
    busy: number;
    collected: number;
    growth: number;
    young: number;
    mayGrow: boolean;
  };
} {
  const clock = createManualClock();
  const heap = {
    used: LIVE,
    live: LIVE,
    busy: 0,
    collected: 0,
    growth: 0,
    young: 1 * MIB,
    mayGrow: true,
    size: () => ({ used: heap.used, total: heap.used + 20 * MIB, young: heap.young }),
    growBy(percent: number) {
      heap.growth = percent;
    },
    letYoungGrow(may: boolean) {
      heap.mayGrow = may;
    },
    utilization: () => heap.busy,
    collect() {
      heap.collected++;
      heap.used = heap.live;
    },
  };
  keepHeapSmall(heap, clock);
  return { clock, heap };
}

describe('the heap', () => {
  it('is collected once after a rush, when it has been quiet for long enough', () => {
    const { clock, heap } = startKeeping();
    heap.busy = 0.9;
    heap.used = LIVE + LEFT_OVER;
    clock.advance(15_000);
    heap.busy = 0.05;
    clock.advance(LULL_MS);
    expect(heap.collected).toBe(0);
    clock.advance(500);
    expect(heap.collected).toBe(2);
    heap.used = LIVE + LEFT_OVER;
    clock.advance(60_000);
    expect(heap.collected).toBe(2);
  });

  it('is not collected in an interrupted lull, after a rush that left little, or in steady light traffic', () => {
    const { clock, heap } = startKeeping();
    heap.used = LIVE + LEFT_OVER;
    heap.busy = 0.3;
    clock.advance(60_000);
    heap.busy = 0.05;
    clock.advance(60_000);
    expect(heap.collected).toBe(0);

    heap.busy = 0.9;
    clock.advance(5_000);
    for (let lull = 0; lull < 5; lull++) {
      heap.busy = 0.05;
      clock.advance(LULL_MS - 500);
      heap.busy = 0.2;
      clock.advance(500);
    }
    expect(heap.collected).toBe(0);

    heap.used = LIVE + LEFT_OVER - 1;
    heap.busy = 0.05;
    clock.advance(60_000);
    expect(heap.collected).toBe(0);
  });

  it('is left to the engine during a rush, which lets it hold so much garbage, and of a large heap a fifth', () => {
    const { clock, heap } = startKeeping();
    heap.busy = 1;
    heap.used = SLACK / 4;
    clock.advance(10_000);
    expect(heap.growth).toBe(300);
    heap.used = SLACK;
    clock.advance(10_000);
    expect(heap.growth).toBe(100);
    heap.used = 2 * SLACK;
    clock.advance(9_500);
    expect(heap.growth).toBe(100);
    clock.advance(500);
    expect(heap.growth).toBe(50);
    heap.used = 1_000 * MIB;
    clock.advance(10_000);
    expect(heap.growth).toBe(20);
    expect(heap.collected).toBe(0);
  });

  it('takes no more for new objects once it has enough for them', () => {
    const { clock, heap } = startKeeping();
    heap.young = YOUNG / 2;
    clock.advance(500);
    expect(heap.mayGrow).toBe(true);
    heap.young = YOUNG;
    clock.advance(500);
    expect(heap.mayGrow).toBe(false);
    heap.young = YOUNG / 2;
    clock.advance(500);
    expect(heap.mayGrow).toBe(true);
  });
});
