import { type Attributes, type Context, SpanKind } from '@opentelemetry/api';
import { BUG, Span, type SpanMeans } from './span.ts';
import { Work } from './work.ts';

/** What an operation is, as far as that is known before it runs. */
export interface OperationFacts {
  readonly type: string;
  /** Bounded, since clients choose it. */
  readonly name: string | undefined;
}

/** How an operation ended. */
export interface OperationEnd {
  /** `extensions.code` of its errors, each once. */
  readonly codes: ReadonlySet<string>;
  readonly cost?:
    { readonly calls: number; readonly cacheHits: number; readonly staleReads: number } | undefined;
}

/**
 * A GraphQL operation. Names and attributes are those of OpenTelemetry's conventions for GraphQL. Of the document there is
 * nothing, since clients write ids into it.
 */
export class TracedOperation {
  readonly #own: Work;
  #event: Work | undefined;
  #facts: OperationFacts | undefined;

  /** @param parent gives the context of its parent, where it has a span at all */
  constructor(means: SpanMeans, parent: () => Context) {
    const startedAt = performance.now();
    this.#own = new Work(
      () =>
        new Span(means, this.#facts?.type ?? 'GraphQL Operation', parent(), {
          kind: SpanKind.SERVER,
          attributes: attributesOf(this.#facts),
          startedAt,
        }),
    );
  }

  /** What reads from now on are made for: the operation, or one event of its stream. */
  get work(): Work {
    return this.#event ?? this.#own;
  }

  begin(facts: OperationFacts): void {
    this.#facts = facts;
  }

  beginEvent(): void {
    const span = this.#own.span.child('event', { links: this.#own.takeCauses() });
    this.#event = new Work(() => span);
  }

  /** @param code of its first error, where it has one. An error that ends the stream is an event too */
  endEvent(code: string | undefined): void {
    if (this.#event === undefined) this.beginEvent();
    const span = this.#event?.span;
    if (code !== undefined) span?.fail(code);
    span?.end();
    this.#event = undefined;
  }

  /** Ends it; of a stream its start. A request that was no operation and met no error has no span. */
  end({ codes, cost }: OperationEnd): void {
    const [code] = codes;
    if (this.#facts === undefined && code === undefined) return;
    const { span } = this.#own;
    if (code !== undefined) span.fail(code);
    if (cost !== undefined) {
      span.set({
        'backfill_gateway.upstream_calls': cost.calls,
        'backfill_gateway.cache_hits': cost.cacheHits,
        'backfill_gateway.stale_reads': cost.staleReads,
      });
    }
    span.end();
  }

  /** Ends it, where the request met a bug outside of any field. */
  endByBug(): void {
    this.end({ codes: new Set([BUG]) });
  }
}

function attributesOf(facts: OperationFacts | undefined): Attributes {
  if (facts === undefined) return {};
  const { type, name } = facts;
  return {
    'graphql.operation.type': type,
    ...(name !== undefined && { 'graphql.operation.name': name }),
  };
}
