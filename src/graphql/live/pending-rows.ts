import type { ResourceId } from '../../ids.ts';
import type { Row, Rows } from './rows.ts';

export interface PendingRowsDeps<Event> {
  /** Gives the reader an event. Resolves when he asks for the next one. */
  readonly push: (event: Event) => PromiseLike<unknown>;
  /** Ends the stream, with an error where there is one. */
  readonly stop: (error?: Error) => void;
  readonly eventOf: (changed: Rows) => Event;
}

/**
 * The most backfills of an event, for which the limits of answers count. Where all of a whole list leave it and as many
 * begin in one poll, they fit; only a slow reader may have more pending.
 */
export const MAX_ROWS_OF_AN_EVENT = 200;

const NONE: Rows = new Map();

/**
 * What a stream still has to tell its reader: of each backfill that has changed, the latest state. It becomes an event
 * when the reader asks for one, so that who reads slowly gets few events, and misses no backfill.
 */
export class PendingRows<Event> {
  readonly #deps: PendingRowsDeps<Event>;
  #pending = NONE;
  #asked: PromiseLike<unknown>;
  #isSending = false;
  #end: { readonly error: Error | undefined } | undefined;

  constructor(first: Event, deps: PendingRowsDeps<Event>) {
    this.#deps = deps;
    this.#asked = deps.push(first);
  }

  add(changed: Rows): void {
    // Streams share what a poll has changed, so it is copied only where it meets something unsent.
    this.#pending = this.#pending.size === 0 ? changed : new Map([...this.#pending, ...changed]);
    void this.#send();
  }

  /** Ends the stream once everything is sent. */
  end(error?: Error): void {
    this.#end ??= { error };
    void this.#send();
  }

  async #send(): Promise<void> {
    if (this.#isSending) return;
    this.#isSending = true;
    while (this.#pending.size > 0) {
      await this.#asked;
      this.#asked = this.#deps.push(this.#deps.eventOf(this.#take()));
    }
    this.#isSending = false;
    if (this.#end !== undefined) this.#deps.stop(this.#end.error);
  }

  #take(): Rows {
    const all = this.#pending;
    if (all.size <= MAX_ROWS_OF_AN_EVENT) {
      this.#pending = NONE;
      return all;
    }
    const rows = [...all];
    this.#pending = new Map<ResourceId, Row>(rows.slice(MAX_ROWS_OF_AN_EVENT));
    return new Map(rows.slice(0, MAX_ROWS_OF_AN_EVENT));
  }
}
