import type { Clock } from '../../clock.ts';
import type { SharedStore } from './shared-store.ts';

/**
 * The store, behind a breaker: nobody waits longer than `REDIS_TIMEOUT_MS` for one that does not answer.
 *
 * The first step that takes too long puts the store in doubt: every further step fails at once, and one question is put to
 * it. Where that is answered in time it was only late, for a moment, and nothing else happens: to be without it for a
 * second would cost more calls than the late step. Where it is not, the store is away, as after a step that has failed.
 * Then it is tried in the background until it answers. So a request spends the time once at most, however many steps it
 * takes.
 */
export interface GuardedStore extends Omit<SharedStore, 'onConnection'> {
  /** Why the store is away; undefined while it is there. */
  readonly awayFor: string | undefined;
}

export interface GuardDeps {
  readonly clock: Clock;
  /** `REDIS_TIMEOUT_MS` */
  readonly timeoutMs: number;
  /**
   * Called with why the store is away, when it has gone or has never been there, and with undefined when it is there.
   */
  readonly onChange: (awayFor: string | undefined) => void;
  /** Called when a store in doubt has answered. What has failed meanwhile is to be tried again. */
  readonly onDoubtOver?: () => void;
  /** Called after each step with its milliseconds. */
  readonly onStep?: (step: StepName, milliseconds: number, isDone: boolean) => void;
  /** From 0 to 1; replicas that lost the store together do not come back together. */
  readonly random?: () => number;
}

export const STEPS = ['ask', 'finish', 'renew', 'release', 'change', 'report'] as const;
export type StepName = (typeof STEPS)[number];

/** A step that fails since the store is away, or in doubt. */
export class AwayError extends Error {
  override readonly name = 'AwayError';
  constructor() {
    super('the store that replicas share is away');
  }
}

/** A step that took too long. */
class LateError extends Error {
  override readonly name = 'LateError';
  constructor() {
    super('timeout');
  }
}

/** The time is measured in so many parts. One that takes longer than two shows that the process was busy. */
const PARTS = 5;
/** Until something says more. */
export const NOT_CONNECTED = 'not connected yet';
const FIRST_TRY_MS = 500;
const LAST_TRY_MS = 3_000;
/** After so many a store that is still connecting does not answer. */
const CONNECTING_TRIES = 3;

/** @param hasStarted whether the store is there from the beginning */
export function createGuardedStore(store: SharedStore, deps: GuardDeps, hasStarted = false): GuardedStore {
  const { clock, timeoutMs, onChange, onDoubtOver, onStep = () => undefined, random = Math.random } = deps;
  let awayFor: string | undefined = hasStarted ? undefined : NOT_CONNECTED;
  let isInDoubt = false;
  let tries = 0;
  let isClosed = false;
  /** Whether no connection has been there yet, so that no herd comes back. */
  let isFirst = true;
  let cancelTry = (): void => undefined;
  /** Ends the steps that are under way. */
  const underWay = new Set<() => void>();

  function leave(reason: string): void {
    if (awayFor !== undefined || isClosed) return;
    awayFor = reason;
    tries = 0;
    for (const end of [...underWay]) end();
    onChange(reason);
    tryLater();
  }

  function doubt(): void {
    if (isInDoubt || awayFor !== undefined || isClosed) return;
    isInDoubt = true;
    inTime(store.report([])).then(
      () => {
        isInDoubt = false;
        if (awayFor === undefined && !isClosed) onDoubtOver?.();
      },
      (error: unknown) => {
        isInDoubt = false;
        leave(reasonOf(error));
      },
    );
  }

  function comeBack(): void {
    if (awayFor === undefined || isClosed) return;
    awayFor = undefined;
    cancelTry();
    onChange(undefined);
  }

  /** Why it is away may change. The first failure of one that has never been there is news. */
  function stayAway(reason: string): void {
    if (awayFor === undefined || isClosed) return;
    const isNews = awayFor === NOT_CONNECTED;
    if (reason !== NOT_CONNECTED) awayFor = reason;
    else if (isNews && tries >= CONNECTING_TRIES) awayFor = 'timeout';
    else return;
    if (isNews) onChange(awayFor);
  }

  function tryLater(ms = Math.min(LAST_TRY_MS, FIRST_TRY_MS * 2 ** tries) * (0.5 + random() / 2)): void {
    cancelTry();
    if (isClosed) return;
    tries++;
    cancelTry = clock.after(ms, () => {
      inTime(store.report([])).then(comeBack, (error: unknown) => {
        stayAway(reasonOf(error));
        tryLater();
      });
    });
  }

  /**
   * Rejects with a {@link LateError} when the time is up, or when the store has gone away meanwhile. Time in which this
   * process did something else does not count: the store may not have been asked yet, or its answer not have been read.
   */
  function inTime<Value>(step: Promise<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const end = (): void => settle(() => reject(new AwayError()));
      const settle = (how: () => void): void => {
        cancel();
        underWay.delete(end);
        how();
      };
      const timeUp = (): void => settle(() => reject(new LateError()));
      const partMs = timeoutMs / PARTS;
      let leftMs = timeoutMs;
      const wait = (): (() => void) => {
        const from = clock.monotonic();
        return clock.after(Math.min(partMs, leftMs), () => {
          leftMs -= Math.min(clock.monotonic() - from, 2 * partMs);
          // What has arrived is read before the immediate.
          if (leftMs < 1) setImmediate(timeUp);
          else cancel = wait();
        });
      };
      let cancel = wait();
      underWay.add(end);
      step.then(
        (value) => settle(() => resolve(value)),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error('failed'))),
      );
    });
  }

  async function guarded<Value>(name: StepName, step: () => Promise<Value>): Promise<Value> {
    if (awayFor !== undefined || isInDoubt || isClosed) throw new AwayError();
    const startedAt = clock.monotonic();
    try {
      const value = await inTime(step());
      onStep(name, clock.monotonic() - startedAt, true);
      return value;
    } catch (error) {
      onStep(name, clock.monotonic() - startedAt, false);
      if (error instanceof LateError) doubt();
      else leave(reasonOf(error));
      throw error;
    }
  }

  if (!hasStarted) tryLater();
  store.onConnection((isThere, code) => {
    if (!isThere) leave(code ?? 'connection lost');
    else if (awayFor !== undefined) tryLater(isFirst ? 0 : random() * FIRST_TRY_MS);
    if (isThere) isFirst = false;
  });

  return {
    get awayFor() {
      return awayFor;
    },
    ask: (asked) => guarded('ask', () => store.ask(asked)),
    finish: (finished) => guarded('finish', () => store.finish(finished)),
    renew: (locks) => guarded('renew', () => store.renew(locks)),
    release: (locks) => guarded('release', () => store.release(locks)),
    change: (changed) => guarded('change', () => store.change(changed)),
    report: (reports, kin) => guarded('report', () => store.report(reports, kin)),
    onNews: (listener) => store.onNews(listener),
    async close() {
      isClosed = true;
      cancelTry();
      for (const end of [...underWay]) end();
      await store.close();
    },
  };
}

const REASONS: readonly (readonly [sign: RegExp, reason: string])[] = [
  [/^timeout$|^Command timed out/, 'timeout'],
  [/^Stream isn't writeable/, NOT_CONNECTED],
  [/^OOM/, 'full'],
  [/^READONLY/, 'read-only'],
  [/^NOAUTH|^WRONGPASS|^NOPERM/, 'not allowed'],
  [/^ERR unknown command|^ERR Error (compiling|running) script/, 'no scripts'],
];

/** Why a step failed; never what the server said itself, since that may be anybody's text. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'failed';
  const known = REASONS.find(([sign]) => sign.test(error.message));
  if (known !== undefined) return known[1];
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  return code ?? error.name;
}
