import type { Clock } from '../../clock.ts';
import type { Calls } from '../../tracing/calls.ts';
import type { CallMade } from './read.ts';

/** A read that has begun. */
export interface Begun<Value> {
  readonly known: Promise<Value>;
  /** Whether a call has been made for it. */
  readonly hasCalled: () => boolean;
  /** Those that answer it, for whoever joins it; only where traces are made. */
  readonly calls: Calls | undefined;
}

/** A read under way that others may join. */
export interface Load<Value> extends Begun<Value> {
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
   * @param beganAt monotonic milliseconds; now, where it begins with the call
   */
  share(name: string, begin: () => Begun<Value>, beganAt?: number): Load<Value>;
  /** Lets nobody join the loads of these names that are under way any more. */
  forget(names: readonly string[] | 'all'): void;
}

/** Whose call was made for a read that has joined a load. */
export function callJoined({ hasCalled }: Begun<unknown>): CallMade | undefined {
  return hasCalled() ? 'shared' : undefined;
}

/** @param staleAfterMs `STALE_AFTER_MS`; 0 for never */
export function createLoads<Value>(
  clock: Pick<Clock, 'monotonic' | 'after'>,
  staleAfterMs: number,
): Loads<Value> {
  /** A load is taken out of its cell at its end: a `Map` may hold on to what was in it, see crowd.ts. */
  const underWay = new Map<string, { load: Load<Value> | undefined }>();

  return {
    share(name, begin, beganAt = clock.monotonic()) {
      const known = underWay.get(name)?.load;
      if (known !== undefined) return known;
      let late: Promise<'late'> | undefined;
      let cancel = (): void => undefined;
      const load: Load<Value> = {
        ...begin(),
        isLate() {
          late ??= new Promise((resolve) => {
            const leftMs = Math.max(0, beganAt + staleAfterMs - clock.monotonic());
            if (staleAfterMs > 0) cancel = clock.after(leftMs, () => resolve('late'));
          });
          return late;
        },
      };
      const cell: { load: Load<Value> | undefined } = { load };
      underWay.set(name, cell);
      const ended = (): void => {
        cell.load = undefined;
        if (underWay.get(name) === cell) underWay.delete(name);
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
