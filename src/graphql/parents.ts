import type { ResourceId } from '../ids.ts';
import type { BackfillSnapshot } from '../upstream/cache/snapshots.ts';

/** What resolvers of `Transfer` get: all that is known of a transfer without asking for it. */
export interface TransferParent {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
}

/** What resolvers of `Backfill` get: the REST API's record as it came; they rename. */
export type BackfillParent = BackfillSnapshot;
