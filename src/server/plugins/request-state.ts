import { randomUUID } from 'node:crypto';
import type { Plugin } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { GatewayContext } from '../../graphql/context.ts';
import type { Log } from '../../log.ts';
import type { Metrics } from '../../metrics.ts';
import type { OperationCost } from '../../upstream/reads/operation-cost.ts';

/** What is known of one HTTP request, filled in as it goes on its way and read when its answer leaves. */
export interface RequestState {
  /** The caller's `X-Request-Id`, or one made here. */
  readonly requestId: string;
  /** The caller's W3C trace context, if it is well-formed. */
  readonly traceparent: string | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  operation?: { readonly type: string; readonly name: string | undefined };
  cost?: OperationCost;
  /** Whether the answer is true of this request only. */
  mustNotBeKept?: boolean;
  /** Every `extensions.code` among the errors answered. */
  readonly codes: Set<string>;
}

/** Travels with the request through every hook of the server. */
export interface ServerContext {
  state?: RequestState;
  /** To be told when the answer turns out to be a stream, which is under way for as long as its client stays. */
  readonly becomesStream?: () => void;
}

export type GatewayPlugin = Plugin<ServerContext & GatewayContext, ServerContext>;

/** What plugins need that record what becomes of requests. */
export interface RecordingDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

interface RequestHeaders {
  readonly headers: { get(name: string): string | null };
}

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
const TRACEPARENT = /^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The record of this request, begun here if this is the first to ask for it. */
export function stateOf(context: ServerContext, { headers }: RequestHeaders, now: number): RequestState {
  context.state ??= {
    requestId: requestIdFrom(headers.get('x-request-id')),
    traceparent: matching(headers.get('traceparent'), TRACEPARENT),
    startedAt: now,
    codes: new Set(),
  };
  return context.state;
}

/** The id in a caller's `X-Request-Id`, or one made here. */
export function requestIdFrom(header: string | null): string {
  return matching(header, REQUEST_ID) ?? randomUUID();
}

/** Ids of a caller's are repeated in headers and logs: what could break out of either is replaced. */
function matching(value: string | null, pattern: RegExp): string | undefined {
  return value !== null && pattern.test(value) ? value : undefined;
}
