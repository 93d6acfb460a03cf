import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type Context, context, propagation } from '@opentelemetry/api';

/** Of the request that is being made. */
let carried: Context | undefined;

/** Has undici make a request in a context. It makes it before it returns, whenever it sends it. */
export function sendWithin<Result>(of: Context, send: () => Result): Result {
  carried = of;
  try {
    return context.with(of, send);
  } finally {
    carried = undefined;
  }
}

/** As undici tells of it, see its `DiagnosticsChannel`. */
interface MadeRequest {
  /** Names and values by turns. */
  readonly headers: unknown;
  addHeader(name: string, value: string): void;
}

const CHANNEL = 'undici:request:create';

/**
 * Has each of our requests tell of its trace once. An instrumentation of undici adds the header of its own span, which
 * lies beneath ours. It hears of a request by the same channel and before us, since it began to listen before. Where it
 * is not there, or has left the request out, the header is that of our span.
 * @returns a function that ends this
 */
export function carryContexts(): () => void {
  const listen = (message: unknown): void => {
    if (carried === undefined) return;
    const { request } = message as { readonly request: MadeRequest };
    const headers: Record<string, string> = {};
    propagation.inject(carried, headers);
    const present = Array.isArray(request.headers) ? request.headers.map(String) : [];
    for (const [name, value] of Object.entries(headers)) {
      if (!present.some((each, at) => at % 2 === 0 && each.toLowerCase() === name))
        request.addHeader(name, value);
    }
  };
  subscribe(CHANNEL, listen);
  return () => void unsubscribe(CHANNEL, listen);
}
