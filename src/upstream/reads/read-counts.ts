import type { ReadResult } from '../../metric-labels.ts';
import type { Metrics } from '../../metrics.ts';
import type { OperationCost } from './operation-cost.ts';
import type { CallMade } from './read.ts';

/** Counts each read once: when it is answered, or when it has failed. */
export interface ReadCounts {
  /**
   * @param by the call that was made for it, undefined where none was; `stale` where an older value stands in
   * @param freshUntil monotonic milliseconds
   * @param ageMs how long ago the REST API gave it
   */
  answered(cost: OperationCost, by: CallMade | 'stale' | undefined, freshUntil: number, ageMs: number): void;
  failed(by: CallMade | undefined): void;
}

const RESULTS = {
  own: 'miss',
  list: 'list',
  shared: 'shared',
  stale: 'stale',
} as const satisfies Record<CallMade | 'stale', ReadResult>;

export function createReadCounts(metrics: Pick<Metrics, 'recordRead'>): ReadCounts {
  return {
    answered(cost, by, freshUntil, ageMs) {
      metrics.recordRead(by === undefined ? 'hit' : RESULTS[by], ageMs);
      cost.countRead(freshUntil, by === 'own' ? 'call' : by === 'stale' ? 'stale' : 'cache');
    },
    failed(by) {
      metrics.recordRead(by === undefined ? 'refused' : RESULTS[by], undefined);
    },
  };
}
