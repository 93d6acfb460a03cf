import { placeholderFor } from '../reads/estimate.ts';
import type { Writes } from './writes.ts';

/** The dry run of {@link Writes}: counts the call that each would make, and sends nothing. */
export const estimateWrites: Writes = {
  createBackfill({ cost }, teamId, transferId) {
    cost.calls++;
    return Promise.resolve({ snapshot: placeholderFor({ kind: 'latest', teamId, id: transferId }) });
  },
  cancelBackfill({ cost }, teamId, id) {
    cost.calls++;
    return Promise.resolve({ snapshot: placeholderFor({ kind: 'backfill', teamId, id }) });
  },
};
