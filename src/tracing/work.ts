import { Calls } from './calls.ts';
import type { Span } from './span.ts';
import { MAX_LINKS, type TracedRead, Waiting } from './waiting.ts';

/** Something for which reads and writes are made: an operation, an event of a stream, a poll, a refresh. */
export class Work {
  readonly #begin: () => Span;
  #span: Span | undefined;
  #waiting: Waiting | undefined;
  readonly #causes: Span[] = [];

  /** @param begin begins its span, as soon as anything has to do with it */
  constructor(begin: () => Span) {
    this.#begin = begin;
  }

  get span(): Span {
    this.#span ??= this.#begin();
    return this.#span;
  }

  /** Takes note that it waits for a read from now on. */
  beginRead(): TracedRead {
    this.#waiting ??= new Waiting(this.span.child('read'), () => (this.#waiting = undefined));
    return this.#waiting.begin();
  }

  /** Begins work that nobody waits for, in a trace of its own. */
  refresh(): Work {
    return new Work(() => this.span.apart('refresh'));
  }

  /** For calls that it makes without a read. */
  calls(): Calls {
    return new Calls(this.span);
  }

  /** Takes note that calls were made for others, and have answered it too. */
  answeredBy(calls: Calls): void {
    for (const call of calls.all()) this.span.link(call);
  }

  /** Takes note of a poll that has news for this stream, until its next event. */
  causedBy(poll: Span): void {
    if (this.#causes.length < MAX_LINKS) this.#causes.push(poll);
  }

  takeCauses(): readonly Span[] {
    return this.#causes.splice(0);
  }

  /** Ends its span, where it has one. */
  end(): void {
    this.#span?.end();
  }
}
