import { randomUUID } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import type { ExecutionResult } from 'graphql';
import type { Plugin } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { GatewayContext } from '../../graphql/context.ts';
import type { Log } from '../../log.ts';
import type { Transport } from '../../metric-labels.ts';
import type { Metrics } from '../../metrics.ts';
import type { Holding, Shares } from '../../shares.ts';
import type { TracedOperation } from '../../tracing/operation.ts';
import type { Tracing } from '../../tracing/tracing.ts';
import type { OperationCost } from '../../upstream/reads/operation-cost.ts';

/** The facts about one request, filled in by the plugins and read when its answer leaves. */
export interface RequestState {
  /** The caller's `X-Request-Id`, or a new one. */
  readonly requestId: string;
  /** The caller's W3C trace context, if it is valid. */
  readonly traceparent: string | undefined;
  /** What tracing systems added to it; only where there is one. */
  readonly tracestate: string | undefined;
  /** Monotonic milliseconds. */
  readonly startedAt: number;
  /** Who asks, where log lines say that. */
  readonly caller?: CallerNames;
  /** Only where traces are made. */
  readonly trace: TracedOperation | undefined;
  operation?: { readonly type: string; readonly name: string | undefined };
  cost?: OperationCost;
  /** Whether the answer describes this request only, so that a browser may not keep it. */
  mustNotBeKept?: boolean;
  /** The room of the answer among all that are not sent yet. Whoever sends the answer releases it. */
  room?: Holding;
  /** Whether there was no room for the answer. */
  isRefused?: boolean;
  /** The `extensions.code` of every error in the answer. */
  readonly codes: Set<string>;
}

/** The body of a POST, read to its end. */
export interface ReceivedBody {
  /** Gives it once, so that its memory is free while the operation runs. */
  take(): Buffer;
  /** Ends its count against the limit of all bodies; the end of the answer does so too. */
  release(): void;
}

/** As far as the headers say it: a name that is no secret, and the team. */
export interface CallerNames {
  readonly caller?: string;
  readonly teamId?: string;
}

/** @param headers by their names in lower case */
export type NameCaller = (headers: Readonly<IncomingHttpHeaders>) => CallerNames;

/** Travels with the request through every hook of the server; made where the request comes in. */
export interface ServerContext {
  readonly state: RequestState;
  /** Who bears what the request costs, see {@link Shares}. */
  readonly caller: string;
  /** By which the events of a subscription leave. */
  readonly transport: Transport;
  /** Called when the answer turns out to be a stream, which lasts as long as its client stays. */
  readonly becomesStream?: () => void;
  /** Set where the answer is the stream of a subscription, for whoever sends it. */
  events?: StreamedEvents;
  /** Only where the request came over HTTP. */
  readonly body?: ReceivedBody;
}

/** The events of a subscription on their way to a client. */
export interface StreamedEvents {
  readonly events: AsyncIterator<ExecutionResult>;
  /** @returns an event as it leaves, whose bytes are counted until they are given back */
  textOf(event: ExecutionResult): { readonly text: string; giveBack(): void };
}

export type GatewayPlugin = Plugin<ServerContext & GatewayContext, ServerContext>;

/** The dependencies of plugins that record requests. */
export interface RecordingDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Only where log lines say who asks. */
  readonly nameCaller?: NameCaller | undefined;
  /** Only where traces are made. */
  readonly tracing?: Tracing | undefined;
}

const REQUEST_ID = /^[\x21-\x7e]{1,128}$/;
/** Version ff and ids of zeros alone are the ways in which W3C's header says that it is invalid. */
const TRACEPARENT = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;
const TRACESTATE = /^[\x20-\x7e]{1,512}$/;

/**
 * The state of a request that has just come in.
 * @param headers by their names in lower case
 * @param now monotonic milliseconds
 */
export function beginState(
  headers: Readonly<IncomingHttpHeaders>,
  now: number,
  nameCaller?: NameCaller,
  trace?: TracedOperation,
): RequestState {
  const traceparent = matching(headers['traceparent'], TRACEPARENT);
  return {
    requestId: requestIdFrom(headers),
    traceparent,
    tracestate: traceparent === undefined ? undefined : matching(headers['tracestate'], TRACESTATE),
    startedAt: now,
    ...(nameCaller && { caller: nameCaller(headers) }),
    trace,
    codes: new Set(),
  };
}

/** The room of the answer to this request, of whatever is left to the caller. */
export function roomOf(state: RequestState, unsent: Shares, caller: string): Holding {
  state.room ??= unsent.hold(caller);
  return state.room;
}

/**
 * The fields that every log line about a request has. Those that are not known are undefined, and the log leaves them out.
 * @param now monotonic milliseconds
 */
export function logFields(
  { requestId, traceparent, tracestate, startedAt, caller, operation, codes }: RequestState,
  now: number,
): Record<string, unknown> {
  return {
    requestId,
    traceparent,
    tracestate,
    caller: caller?.caller,
    teamId: caller?.teamId,
    durationMs: Math.round((now - startedAt) * 10) / 10,
    operationName: operation?.name,
    codes: codes.size === 0 ? undefined : [...codes],
  };
}

/** The id in the caller's `X-Request-Id`, or a new one. */
export function requestIdFrom(headers: Readonly<IncomingHttpHeaders>): string {
  return matching(headers['x-request-id'], REQUEST_ID) ?? randomUUID();
}

/** Whether a header `Cache-Control` asks for reads past the cache. */
export function readsPastCache(cacheControl: string | null | undefined): boolean {
  return cacheControl != null && /(?:^|[\s,])no-cache(?:$|[\s,])/i.test(cacheControl);
}

/** Callers' ids are repeated in headers and logs, so one that could break out of either is dropped. */
function matching(value: string | readonly string[] | undefined, pattern: RegExp): string | undefined {
  return typeof value === 'string' && pattern.test(value) ? value : undefined;
}
