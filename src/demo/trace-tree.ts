import { SpanKind } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace-node';

export interface DrawOptions {
  /** Whether each span tells how long it took. */
  readonly hasTimes?: boolean;
}

/** Draws spans as trees, a line for each, children below their parent in the order in which they began. */
export function drawTraces(spans: readonly ReadableSpan[], { hasTimes = false }: DrawOptions = {}): string {
  const byId = new Map(spans.map((span) => [span.spanContext().spanId, span]));
  const inOrder = [...spans].sort(
    (a, b) => a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1],
  );

  function draw(span: ReadableSpan, depth: number): readonly string[] {
    const children = inOrder.filter(
      ({ parentSpanContext }) => parentSpanContext?.spanId === span.spanContext().spanId,
    );
    const time = hasTimes ? `  ${millisecondsOf(span)} ms` : '';
    const line = `${'  '.repeat(depth)}${labelOf(span)}${linksOf(span, byId)}${time}`;
    return [line, ...children.flatMap((child) => draw(child, depth + 1))];
  }

  const roots = inOrder.filter(({ parentSpanContext }) => !byId.has(parentSpanContext?.spanId ?? ''));
  return roots.flatMap((root) => draw(root, 0)).join('\n');
}

/** Of others' spans the side and the status, of ours the operation's name and the code. */
function labelOf({ name, kind, attributes, instrumentationScope }: ReadableSpan): string {
  if (instrumentationScope.name !== 'backfill-gateway') {
    const side = kind === SpanKind.SERVER ? 'server' : 'client';
    const status = attributes['http.response.status_code'] ?? attributes['http.status_code'];
    return [name, `(${side})`, status].filter((part) => part !== undefined).join(' ');
  }
  const { 'graphql.operation.name': operation, 'error.type': code } = attributes;
  return [name, operation, code].filter((part) => part !== undefined).join(' ');
}

function linksOf({ links }: ReadableSpan, byId: ReadonlyMap<string, ReadableSpan>): string {
  const names = links.map(({ context }) => byId.get(context.spanId)?.name ?? 'another trace');
  return names.length === 0 ? '' : ` -> ${names.join(', ')}`;
}

function millisecondsOf({ duration: [seconds, nanoseconds] }: ReadableSpan): string {
  return (seconds * 1e3 + nanoseconds / 1e6).toFixed(1);
}
