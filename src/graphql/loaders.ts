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
 * One loader for each resource, made anew for each operation: the same id asked for by aliases, in lists or from both
 * ends is read once, and one read that fails rejects its own key only.
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
    // The REST API has no read of many: a batch is as many reads side by side.
    (keys) => Promise.all(keys.map((key) => read(key).catch(toError))),
    { cacheKeyFn: ({ teamId, id }) => `${teamId}/${id}` },
  );
}

/** DataLoader rejects a key whose value is an Error, and the whole batch when the batch rejects. */
function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('a read rejected without an error', { cause: reason });
}
