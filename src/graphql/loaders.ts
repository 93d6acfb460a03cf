// eslint-disable-next-line no-restricted-imports -- it schedules, and touches nothing of the process
import { nextTick } from 'node:process';
import DataLoader from 'dataloader';
import type { ResourceId } from '../ids.ts';
import type { ReadContext } from '../upstream/reads/read.ts';
import type { BackfillSnapshot } from '../upstream/cache/snapshots.ts';
import type { ListSnapshot } from '../upstream/cache/team-list.ts';
import type { Reads } from '../upstream/upstream.ts';

export interface ResourceKey {
  readonly teamId: ResourceId;
  readonly id: ResourceId;
}

/**
 * The operation's memo: an id that aliases, lists or both ends of the graph ask for is read once, and a failed read
 * rejects its own key only. The reads of several operations are batched below, by the DataLoader of a team in
 * `upstream/reads/teams.ts`.
 */
export interface Loaders {
  /** A value that is at hand comes at once, and no promise with it. */
  backfill(key: ResourceKey): BackfillSnapshot | Promise<BackfillSnapshot>;
  latestBackfill(key: ResourceKey): BackfillSnapshot | null | Promise<BackfillSnapshot | null>;
  incompleteBackfills(teamId: ResourceId): Promise<ListSnapshot>;
}

export function createLoaders({ backfills, incompleteBackfills }: Reads, reader: ReadContext): Loaders {
  const lists = new Map<ResourceId, Promise<ListSnapshot>>();

  return {
    backfill: createLoader(
      ({ teamId, id }) => backfills.atHand(reader, { kind: 'backfill', teamId, id }) ?? undefined,
      ({ teamId, id }) => backfills.backfill(reader, teamId, id),
    ),
    latestBackfill: createLoader<BackfillSnapshot | null>(
      ({ teamId, id }) => backfills.atHand(reader, { kind: 'latest', teamId, id }),
      ({ teamId, id }) => backfills.latestBackfill(reader, teamId, id),
    ),
    incompleteBackfills(teamId) {
      const list = lists.get(teamId) ?? incompleteBackfills(reader, teamId);
      lists.set(teamId, list);
      return list;
    },
  };
}

/** Reads that are begun together. */
const PORTION = 25;
/** A page is begun at once. What an operation reads beyond that is begun a portion a turn, which lets others in between. */
const PORTIONS_AT_ONCE = 4;

function createLoader<Value>(
  atHand: (key: ResourceKey) => Value | undefined,
  read: (key: ResourceKey) => Promise<Value>,
): (key: ResourceKey) => Value | Promise<Value> {
  const given = new Map<string, Value>();
  let loader: DataLoader<ResourceKey, Value, string> | undefined;

  return (key) => {
    const name = nameOf(key);
    const value = given.has(name) ? given.get(name) : atHand(key);
    if (value === undefined) {
      loader ??= new DataLoader<ResourceKey, Value, string>(
        // Passed on one by one: the team's batch puts them together, with those of other operations.
        (keys) => Promise.all(keys.map((each) => read(each).catch(toError))),
        { cacheKeyFn: nameOf, maxBatchSize: PORTION, batchScheduleFn: inPortions() },
      );
      return loader.load(key);
    }
    given.set(name, value);
    return value;
  };
}

function nameOf({ teamId, id }: ResourceKey): string {
  return `${teamId}/${id}`;
}

/** Begins the first portions at once, and the others in a turn of the event loop each. */
function inPortions(): (begin: () => void) => void {
  const waiting: (() => void)[] = [];
  let begun = 0;

  function next(): void {
    do {
      waiting.shift()?.();
      begun++;
    } while (begun < PORTIONS_AT_ONCE && waiting.length > 0);
    if (waiting.length > 0) setImmediate(next);
  }

  return (begin) => {
    waiting.push(begin);
    // As DataLoader does it: after the promises that are resolved by now, which may ask for more.
    if (waiting.length === 1) void Promise.resolve().then(() => nextTick(next));
  };
}

/** DataLoader rejects one key for an Error among the values, and all keys when the batch itself rejects. */
function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error('a read rejected without an error', { cause: reason });
}
