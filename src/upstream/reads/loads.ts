import type { Clock } from '../../clock.ts';
import type { Calls } from '../../tracing/calls.ts';

/** A read under way that others may join. */
export interface Load<Value> {
  readonly known: Promise<Value>;
  /** Those that it makes, for whoever joins it; only where traces are made. */
  readonly calls: Calls | undefined;
  /** Resolves when the load has been under way for `STALE_AFTER_MS`; never where that is 0. */
  isLate(): Promise<'late'>;
}

/**
 * One load at a time for each name. A load belongs to no reader: it goes on when the reader that caused it has gone, since
 * others may have joined it.
 */
export interface Loads<Value> {
  /**
   * @param begin begins one, where none is under way
   * @param calls those that it makes, where it begins
   * @param beganAt monotonic milliseconds; now, where it begins with the call
   */
  share(name: string, begin: () => Promise<Value>, calls?: Calls, beganAt?: number): Load<Value>;
  /** Lets nobody join the loads of these names that are under way any more. */
  forget(names: readonly string[] | 'all'): void;
}

/** @param staleAfterMs `STALE_AFTER_MS`; 0 for never */
export function createLoads<Value>(
  clock: Pick<Clock, 'monotonic' | 'after'>,
  staleAfterMs: number,
): Loads<Value> {
  const underWay = new Map<string, Load<Value>>();

  return {
    share(name, begin, calls, beganAt = clock.monotonic()) {
      const known = underWay.get(name);
      if (known !== undefined) return known;
      let late: Promise<'late'> | undefined;
      let cancel = (): void => undefined;
      const load: Load<Value> = {
        known: begin(),
        calls,
        isLate() {
          late ??= new Promise((resolve) => {
            const leftMs = Math.max(0, beganAt + staleAfterMs - clock.monotonic());
            if (staleAfterMs > 0) cancel = clock.after(leftMs, () => resolve('late'));
          });
          return late;
        },
      };
      underWay.set(name, load);
      const ended = (): void => {
        if (underWay.get(name) === load) underWay.delete(name);
        cancel();
      };
      load.known.then(ended, ended);
      return load;
    },
    forget(names) {
      if (names === 'all') underWay.clear();
      else for (const name of names) underWay.delete(name);
    },
  };
}
