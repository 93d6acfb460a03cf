import { Crowd } from '../../crowd.ts';
import type { ResourceId } from '../../ids.ts';
import type { Span } from '../../tracing/span.ts';
import type { Work } from '../../tracing/work.ts';
import type { TickLimiter } from '../tick-limiter.ts';
import type { RowsStep } from './row-steps.ts';
import { areSame, isSettled, type Rows } from './rows.ts';

/** One stream. */
export interface Watcher {
  /** What was read last for it, sent or not. */
  rows: Rows;
  /** What it was opened by; only where traces are made. */
  readonly work?: Work | undefined;
  /** Tells it what a poll has changed. */
  receive(step: RowsStep): void;
  end(error: Error): void;
}

/**
 * Streams that watch the same rows. What a poll changes is worked out once for all of them whose rows were the same, and
 * these become one object as soon as a poll has told them the same.
 */
export class Watchers {
  readonly #all = new Crowd<Watcher>();
  #rows: Rows | undefined;

  get size(): number {
    return this.#all.size;
  }

  /** @returns a function that takes it out again */
  add(watcher: Watcher): () => void {
    const place = this.#all.join(watcher);
    watcher.rows = this.#shared(watcher.rows);
    return () => void this.#all.leave(place);
  }

  /** The ids of rows of which more may be said. */
  unsettled(): ReadonlySet<ResourceId> {
    const ids = new Set<ResourceId>();
    for (const rows of new Set([...this.#all].map((watcher) => watcher.rows))) {
      for (const [id, row] of rows) if (!isSettled(row)) ids.add(id);
    }
    return ids;
  }

  /**
   * @param step what a poll makes of rows; an error ends their streams
   * @param tickLimiter awaited before each event, because an event has its operation executed
   * @param poll its span; only where traces are made
   */
  async tell(
    step: (last: Rows) => RowsStep | Error,
    tickLimiter: TickLimiter,
    poll: Span | undefined,
  ): Promise<void> {
    const steps = new Map<Rows, RowsStep | Error>();
    for (const watcher of this.#all) {
      const last = watcher.rows;
      let next = steps.get(last);
      if (next === undefined) {
        next = step(last);
        if (!(next instanceof Error)) next = { ...next, rows: this.#shared(next.rows) };
        steps.set(last, next);
      }
      if (next instanceof Error) {
        await tickLimiter();
        if (poll !== undefined) watcher.work?.causedBy(poll);
        watcher.end(next);
      } else if (next.changed.size === 0 && !next.isOver) {
        watcher.rows = next.rows;
      } else {
        await tickLimiter();
        // It may have left meanwhile. Its stream is over then and ignores this.
        watcher.rows = next.rows;
        if (poll !== undefined) watcher.work?.causedBy(poll);
        watcher.receive(next);
      }
    }
  }

  /** What they were opened by; only where traces are made. */
  works(): readonly Work[] {
    return [...this.#all].flatMap(({ work }) => work ?? []);
  }

  /** The object that others share, where the rows are the same. */
  #shared(rows: Rows): Rows {
    if (this.#rows === undefined || !areSame(this.#rows, rows)) this.#rows = rows;
    return this.#rows;
  }
}
