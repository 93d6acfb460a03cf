import type { Span } from './span.ts';

/** The calls that answer something: those that were made for it, and those that were made for others. */
export class Calls {
  readonly span: Span;
  readonly #own: Span[] = [];
  readonly #others: Calls[] = [];

  /** @param span of what is answered */
  constructor(span: Span) {
    this.span = span;
  }

  /** Begins a call. @param name operationId of the REST API */
  begin(name: string): Span {
    const call = this.span.child(name);
    this.#own.push(call);
    return call;
  }

  /** Has it answered by the calls of another, those that are not made yet included. */
  follow(others: Calls | undefined): void {
    if (others !== undefined && others !== this) this.#others.push(others);
  }

  /** The same for calls that are to be followed without any other. */
  apart(): Calls {
    return new Calls(this.span);
  }

  *all(): Generator<Span, void> {
    yield* this.#own;
    for (const others of this.#others) yield* others.all();
  }
}
