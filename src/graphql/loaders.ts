import DataLoader from 'dataloader';
import type { ResourceId } from '../ids.ts';
import type { Backfills } from '../upstream/reads/backfills.ts';
import type { ReadContext } from '../upstream/reads/read.ts';
import type { BackfillSnapshot } from '../upstream/cache/snapshots.ts';

export interface ResourceKey {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
}

/**
 * The operation's memo: an id that aliases, lists or both ends of the graph ask for is read once, and a failed read
 * rejects its own key only. The reads of several operations are batched below, by the DataLoader of a team in
 * `upstream/reads/team-batches.ts`.
 */
export interface Loaders {
  readonly backfill: DataLoader<ResourceKey, BackfillSnapshot, string>;
  readonly latestBackfill: DataLoader<ResourceKey, BackfillSnapshot | null, string>;
}

export function createLoaders(client: Backfills, reader: ReadContext): Loaders {
  return {
    backfill: createLoader(({ teamId, id }) => client.backfill(reader, teamId, id)),
    latestBackfill: createLoader(({ teamId, id }) => client.latestBackfill(reader, teamId, id)),
  };
}

function createLoader<Value>(
  read: (key: ResourceKey) => Promise<Value>,
): DataLoader<ResourceKey, Value, string> {
  return new DataLoader<ResourceKey, Value, string>(
    // Passed on one by one: the team's batch puts them together, with those of other operations.
    (keys) => Promise.all(keys.map((key) => read(key).catch(toError))),
    { cacheKeyFn: ({ teamId, id }) => `${teamId}/${id}` },
  );
}

/** DataLoader rejects one key for an Error among the values, and all keys when the batch itself rejects. */
function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('a read rejected without an error', { cause: reason });
}
