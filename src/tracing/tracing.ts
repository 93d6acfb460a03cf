import type { IncomingHttpHeaders, IncomingMessage, RequestListener } from 'node:http';
import {
  type Context,
  context,
  propagation,
  ROOT_CONTEXT,
  trace,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api';
import { carryContexts } from './carried-context.ts';
import { TracedOperation } from './operation.ts';
import { Span, type SpanMeans } from './span.ts';
import { MAX_LINKS } from './waiting.ts';
import { Work } from './work.ts';

/** Makes the gateway's own spans, where an OpenTelemetry SDK takes them. Where none does, there is no such object. */
export interface Tracing {
  /** Takes note of whose span a request comes in, before it waits for its turn. */
  arriving(handle: RequestListener): RequestListener;
  /** @param request where it came as one of its own */
  operation(headers: Readonly<IncomingHttpHeaders>, request?: IncomingMessage): TracedOperation;
  /** Begins a trace of its own for all the streams that are polled together. */
  poll(streams: readonly Work[]): Work;
  /** Hands to the SDK's exporter what is not sent yet. Waits for it, but not for long. */
  close(): Promise<void>;
}

const SCOPE = 'backfill-gateway';
/** Milliseconds that the end of the gateway waits for an exporter. */
const FLUSH_MS = 2_000;

/**
 * Looks for an SDK once, so that without one nothing is made for any request. It registers itself with the API, in a
 * place that all copies of it share.
 * @param codes `extensions.code` for each kind of error
 */
export function findTracing(codes: SpanMeans['codes']): Tracing | undefined {
  const tracer = registeredTracer();
  return tracer && createTracing({ tracer, codes });
}

function registeredTracer(): Tracer | undefined {
  const provider = trace.getTracerProvider();
  return standsIn(provider) ? provider.getDelegateTracer(SCOPE) : provider.getTracer(SCOPE);
}

/** What the API gives in the place of the SDK's provider, whether there is an SDK or not. */
interface StandIn {
  /** Undefined where there is none. Its `getTracer` would make a tracer that waits for one. */
  getDelegateTracer(scope: string): Tracer | undefined;
  getDelegate(): TracerProvider;
}

function standsIn(provider: TracerProvider): provider is TracerProvider & StandIn {
  return 'getDelegateTracer' in provider;
}

function createTracing(means: SpanMeans): Tracing {
  const arrivals = new WeakMap<IncomingMessage, Context>();
  const endCarrying = carryContexts();

  /** That of the HTTP server's span, else of whoever sent the request. */
  function parentOf(headers: Readonly<IncomingHttpHeaders>, request: IncomingMessage | undefined): Context {
    const arrival = (request && arrivals.get(request)) ?? ROOT_CONTEXT;
    const parent = trace.getSpan(arrival) === undefined ? propagation.extract(arrival, headers) : arrival;
    // What callers send along is not for the REST API.
    return propagation.deleteBaggage(parent);
  }

  return {
    arriving: (handle) => (request, response) => {
      arrivals.set(request, context.active());
      handle(request, response);
    },

    operation: (headers, request) => new TracedOperation(means, () => parentOf(headers, request)),

    poll: (streams) =>
      new Work(
        () =>
          new Span(means, 'poll', ROOT_CONTEXT, {
            links: streams.slice(0, MAX_LINKS).map(({ span }) => span),
            attributes: { 'backfill_gateway.streams': streams.length },
          }),
      ),

    async close() {
      endCarrying();
      await flush();
    },
  };
}

/** Whoever has started the SDK does not know when the gateway has ended, after which the process ends at once. */
async function flush(): Promise<void> {
  const provider = trace.getTracerProvider();
  const sdk: TracerProvider & { forceFlush?(): Promise<void> } = standsIn(provider)
    ? provider.getDelegate()
    : provider;
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FLUSH_MS);
  });
  // An exporter that fails says so by itself.
  await Promise.race([sdk.forceFlush?.().catch(() => undefined), timeUp]);
  clearTimeout(timer);
}
