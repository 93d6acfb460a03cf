import { Bounds } from './bounds.ts';
import { type Dashboard, FINAL_TTL_MS, isIncomplete, TTL_MS } from './drive.ts';
import type { Fleet } from './fleet.ts';
import { Spread } from './spread.ts';
import { type Truth, truthOf } from './truth.ts';

const MINUTE_MS = 60_000;
export const ROW_MS = 10 * MINUTE_MS;
/** Ages and lifetimes are told this exactly, in milliseconds. */
const STEP_MS = 10;

/** How so much of the time went. */
interface Row {
  calls: number;
  remaining: number;
  leastStretch: number;
  greatestStretch: number;
  oldestMs: number;
  oldestFinalMs: number;
}

/** Finds out what there is to be claimed, from every answer that every client gets. */
export class Observer {
  readonly #truth: Truth;
  readonly #startsAt: number;
  readonly #bounds = new Bounds();
  /** What every snapshot was allowed to become: they are shared, and looked at once. */
  readonly #known = new WeakMap<
    object,
    { readonly at: number; readonly isIncomplete: boolean; readonly boundMs: number }
  >();
  readonly #askedAt = new Map<string, number>();
  readonly callsAt: number[] = [];
  readonly operations: string[] = [];
  readonly statuses: string[] = [];
  readonly rows: Row[] = [];
  readonly ages = new Spread(STEP_MS);
  readonly lifetimes = new Spread(STEP_MS);
  readonly finalAges = new Spread(STEP_MS);
  readonly finalLifetimes = new Spread(STEP_MS);
  readonly errors: string[] = [];
  answers = 0;
  stale = 0;
  tooOld = 0;
  /** Older than the lifetime of now, which may be less than the one it was given. */
  olderThanNow = 0;
  tooOldFinal = 0;
  late = 0;
  untrue = 0;

  constructor(fleet: Fleet, startsAt: number) {
    this.#truth = truthOf(fleet);
    this.#startsAt = startsAt;
  }

  see({ now, transferIds, answers, calls, stretch, remaining }: Dashboard): void {
    this.#bounds.record(now, stretch);
    for (const { operation, id, at, status } of calls) {
      this.callsAt.push(at);
      this.operations.push(operation);
      this.statuses.push(String(status));
      if (operation === 'getLatestBackfill' && id !== undefined) this.#askedAt.set(id, at);
    }
    const row = this.#rowAt(now);
    row.calls += calls.length;
    row.remaining = remaining;
    row.leastStretch = Math.min(row.leastStretch, stretch.changing);
    row.greatestStretch = Math.max(row.greatestStretch, stretch.changing);
    this.lifetimes.add(TTL_MS * stretch.changing);
    this.finalLifetimes.add(FINAL_TTL_MS * stretch.final);

    // A final value is confirmed by the list, so by the lifetimes of a moment up to a changing one ago.
    const changingMs = TTL_MS * this.#bounds.greatestSince(now - MINUTE_MS).changing;
    const finalMs = FINAL_TTL_MS * this.#bounds.greatestSince(now - changingMs).final;
    answers.forEach((answer, n) => {
      const transferId = transferIds[n] ?? '';
      this.answers++;
      if (answer instanceof Error) {
        this.errors.push(answer.message);
        return;
      }
      if (answer?.isStale === true) {
        this.stale++;
        return;
      }
      const finalAge = now - (this.#askedAt.get(transferId) ?? -Infinity);
      this.finalAges.add(finalAge);
      row.oldestFinalMs = Math.max(row.oldestFinalMs, finalAge);
      if (finalAge > finalMs) this.tooOldFinal++;
      if (!this.#isTimely(now, changingMs, transferId, answer?.id)) this.late++;
      if (answer === null) return;

      const { at, isIncomplete: changes, boundMs } = this.#look(answer);
      if (!changes) return;
      this.ages.add(now - at);
      row.oldestMs = Math.max(row.oldestMs, now - at);
      if (now - at > boundMs) this.tooOld++;
      if (now - at > TTL_MS * stretch.changing) this.olderThanNow++;
    });
  }

  /** Of a snapshot seen for the first time, whether it was true, and how old the governor let it become. */
  #look(answer: Exclude<Dashboard['answers'][number], Error | null>) {
    const known = this.#known.get(answer);
    if (known !== undefined) return known;
    const at = Date.parse(answer.fetchedAt);
    const { transfer_id, status, transfer_runs_completed } = answer.record;
    const then = this.#truth.latestAt(at, transfer_id);
    const isTrue =
      then?.transfer_backfill_id === answer.id &&
      then.status === status &&
      then.transfer_runs_completed === transfer_runs_completed;
    if (!isTrue) this.untrue++;
    const found = {
      at,
      isIncomplete: isIncomplete(answer),
      boundMs: TTL_MS * this.#bounds.at(at).changing,
    };
    this.#known.set(answer, found);
    return found;
  }

  /** Whether what is shown was the latest at a moment of the last `boundMs`. */
  #isTimely(now: number, boundMs: number, transferId: string, id: string | undefined): boolean {
    return (
      id === this.#truth.latestIdAt(now, transferId) ||
      id === this.#truth.latestIdAt(now - boundMs, transferId)
    );
  }

  #rowAt(now: number): Row {
    const index = Math.floor((now - this.#startsAt) / ROW_MS);
    const row = this.rows[index] ?? {
      calls: 0,
      remaining: NaN,
      leastStretch: Infinity,
      greatestStretch: 1,
      oldestMs: 0,
      oldestFinalMs: 0,
    };
    this.rows[index] = row;
    return row;
  }
}
