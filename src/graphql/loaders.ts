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
 * rejects its own key only. The reads of several operations are batched below, by the DataLoader of a
 * team in `upstream/reads/`.
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

/** Reads that are begun in one turn of the event loop, where there are more than a page's. */
const PORTION = 25;
/** A page is begun at once. What an operation reads beyond that is begun a portion a turn, which lets others in between. */
const AT_ONCE = 100;

function createLoader<Value>(
  atHand: (key: ResourceKey) => Value | undefined,
  read: (key: ResourceKey) => Promise<Value>,
): (key: ResourceKey) => Value | Promise<Value> {
  /** By team and id: text put together of both would take longer than both looks. */
  const given = new Map<ResourceId, Map<ResourceId, Value | Promise<Value>>>();
  let waiting: (() => void)[] = [];
  let begun = 0;

  function begin(key: ResourceKey): Promise<Value> {
    if (begun++ < AT_ONCE) return read(key);
    return new Promise((resolve) => {
      if (waiting.push(() => resolve(read(key))) === 1) setImmediate(beginPortion);
    });
  }

  function beginPortion(): void {
    const portion = waiting.slice(0, PORTION);
    waiting = waiting.slice(PORTION);
    for (const one of portion) one();
    if (waiting.length > 0) setImmediate(beginPortion);
  }

  return (key) => {
    let ofTeam = given.get(key.teamId);
    if (ofTeam === undefined) given.set(key.teamId, (ofTeam = new Map<ResourceId, Value | Promise<Value>>()));
    const known = ofTeam.get(key.id);
    if (known !== undefined) return known;
    const value = atHand(key);
    const answer = value === undefined ? begin(key) : value;
    ofTeam.set(key.id, answer);
    return answer;
  };
}
