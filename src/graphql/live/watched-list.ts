import type { Clock } from '../../clock.ts';
import type { Work } from '../../tracing/work.ts';
import { UpstreamError } from '../../upstream/errors.ts';
import type { TickLimiter } from '../tick-limiter.ts';
import type { Poll } from './poll.ts';
import { type RowsStep, stepList } from './row-steps.ts';
import { isRefusal, type Rows } from './rows.ts';
import { type Watcher, Watchers } from './watchers.ts';

export interface WatchedListDeps {
  readonly clock: Clock;
  /** Milliseconds for which the last list may be sent as stale while polls fail; 0 for never. */
  readonly staleMs: number;
}

/** Streams that watch the list of a team's incomplete backfills. */
export class WatchedList {
  readonly #deps: WatchedListDeps;
  readonly #watchers = new Watchers();
  /** When the list was had last, in monotonic milliseconds. */
  #hadAt = -Infinity;

  constructor(deps: WatchedListDeps) {
    this.#deps = deps;
  }

  get isWatched(): boolean {
    return this.#watchers.size > 0;
  }

  /**
   * @param watcher its rows have just been read
   * @returns a function that takes it out again
   */
  add(watcher: Watcher): () => void {
    if (!this.isWatched) this.#hadAt = this.#deps.clock.monotonic();
    return this.#watchers.add(watcher);
  }

  works(): readonly Work[] {
    return this.#watchers.works();
  }

  /**
   * Reads the list, and of each backfill that has left it at its own endpoint how.
   * @returns the function that tells the streams, when all else of the poll is read
   */
  async read(looking: Poll): Promise<(tickLimiter: TickLimiter) => Promise<void>> {
    const { clock, staleMs } = this.#deps;
    const listed = await looking.readList();
    const unlisted = [...this.#watchers.unsettled()].filter((id) => !looking.rows.has(id));
    if ('error' in listed) for (const id of unlisted) looking.fail(id, listed.error);
    else await Promise.all(unlisted.map((id) => looking.read(id)));

    const now = clock.monotonic();
    if (!('error' in listed) && !listed.isStale) this.#hadAt = now;
    const isOld = now - this.#hadAt > staleMs || staleMs === 0;
    const step = (last: Rows): RowsStep | Error => {
      if (!('error' in listed)) return stepList(last, listed.ids, looking.rows);
      return isOld || endsAtOnce(listed.error) ? listed.error : stepList(last, [], looking.rows);
    };
    return (tickLimiter) => this.#watchers.tell(step, tickLimiter, looking.span);
  }
}

function endsAtOnce(error: Error): boolean {
  return !(error instanceof UpstreamError) || isRefusal(error);
}
