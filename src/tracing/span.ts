import {
  type Attributes,
  type Context,
  type Span as ApiSpan,
  SpanKind,
  SpanStatusCode,
  trace,
  type Tracer,
} from '@opentelemetry/api';
import { sendWithin } from './carried-context.ts';

/** What all spans of a gateway need. */
export interface SpanMeans {
  readonly tracer: Tracer;
  /** The code of each kind of error, for `error.type`. */
  readonly codes: Readonly<Record<string, string>>;
}

export interface SpanOptions {
  readonly kind?: SpanKind;
  readonly attributes?: Attributes;
  readonly links?: readonly Span[];
  /** In milliseconds, as of `performance.now()`; by default now. */
  readonly startedAt?: number;
}

/** `error.type` of what is no kind of error, but a bug. */
export const BUG = 'INTERNAL_SERVER_ERROR';

/**
 * A span with the context in which its children begin. It is handed down by hand: batches, queues and shared reads serve
 * several operations at once, so whatever context happens to be active there is that of any of them.
 */
export class Span {
  readonly parent: Span | undefined;
  readonly #means: SpanMeans;
  readonly #span: ApiSpan;
  readonly #context: Context;

  /** @param under a span, or the context of somebody else's */
  constructor(means: SpanMeans, name: string, under: Span | Context, options: SpanOptions = {}) {
    const context = under instanceof Span ? under.#context : under;
    this.parent = under instanceof Span ? under : undefined;
    this.#means = means;
    const { kind = SpanKind.INTERNAL, attributes = {}, links = [], startedAt = performance.now() } = options;
    const begun = { kind, attributes, links: links.map((to) => to.asLink), startTime: startedAt };
    this.#span = means.tracer.startSpan(name, begun, context);
    this.#context = trace.setSpan(context, this.#span);
  }

  get asLink(): { readonly context: ReturnType<ApiSpan['spanContext']> } {
    return { context: this.#span.spanContext() };
  }

  child(name: string, options?: SpanOptions): Span {
    return new Span(this.#means, name, this, options);
  }

  /** Begins a trace of its own, which says what it was begun for. */
  apart(name: string): Span {
    return new Span(this.#means, name, trace.deleteSpan(this.#context), { links: [this] });
  }

  link(to: Span): void {
    this.#span.addLink(to.asLink);
  }

  set(attributes: Attributes): void {
    this.#span.setAttributes(attributes);
  }

  /** @param code `extensions.code` */
  fail(code: string): void {
    this.#span.setAttribute('error.type', code);
    this.#span.setStatus({ code: SpanStatusCode.ERROR });
  }

  /** Takes nothing of the error but its kind: its text may hold what is nobody's business. */
  failBy(error: unknown): void {
    const kind = error instanceof Error && 'kind' in error ? String(error.kind) : '';
    this.fail(this.#means.codes[kind] ?? BUG);
  }

  end(): void {
    // The SDK would take the wall clock for the end of a span whose start it was told.
    this.#span.end(performance.now());
  }

  /** Sends a request of undici as this span's: others' spans of it are its children, and the request tells of it. */
  send<Result>(request: () => Result): Result {
    return sendWithin(this.#context, request);
  }
}
