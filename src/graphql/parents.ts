import type { ResourceId } from '../ids.ts';
import type { BackfillSnapshot } from '../upstream/cache/snapshots.ts';
import type { ListSnapshot } from '../upstream/cache/team-list.ts';

/** The parent of `Transfer` resolvers. Its key is all there is, since the REST API has no endpoint for transfers. */
export interface TransferParent {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
}

/** The parent of `BackfillList` resolvers. */
export type BackfillListParent = ListSnapshot;

/** The parent of `Backfill` resolvers: the REST API's record, whose fields they rename. */
export type BackfillParent = BackfillSnapshot;
