import { Calls } from './calls.ts';
import type { Span } from './span.ts';

/** The most links of a span. An SDK keeps 128 by default, and drops what is over without a word. */
export const MAX_LINKS = 32;

/** The time in which something waits for reads: one span from the first to the last, however many run side by side. */
export class Waiting {
  readonly #span: Span;
  readonly #onEnd: () => void;
  readonly #linked = new Set<Span>();
  #reads = 0;
  #underWay = 0;

  constructor(span: Span, onEnd: () => void) {
    this.#span = span;
    this.#onEnd = onEnd;
  }

  begin(): TracedRead {
    this.#reads++;
    this.#underWay++;
    return new TracedRead(this.#span, (read) => this.#ended(read));
  }

  #ended(read: Calls): void {
    for (const call of read.all()) this.#link(call);
    if (--this.#underWay > 0) return;
    this.#span.set({ 'backfill_gateway.reads': this.#reads });
    this.#span.end();
    this.#onEnd();
  }

  /** A call stands beneath the span of one who waits for it, and is linked to those of all others. */
  #link(call: Span): void {
    if (call.parent === this.#span || this.#linked.has(call) || this.#linked.size >= MAX_LINKS) return;
    this.#linked.add(call);
    this.#span.link(call);
  }
}

/** One read that somebody waits for. */
export class TracedRead extends Calls {
  readonly #onEnd: (read: TracedRead) => void;

  constructor(span: Span, onEnd: (read: TracedRead) => void) {
    super(span);
    this.#onEnd = onEnd;
  }

  end(): void {
    this.#onEnd(this);
  }

  fail(error: unknown): void {
    this.span.failBy(error);
    this.end();
  }
}
