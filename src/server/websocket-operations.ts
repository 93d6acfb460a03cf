import type { IncomingHttpHeaders } from 'node:http';
import {
  type ExecutionArgs,
  type ExecutionResult,
  type FormattedExecutionResult,
  type GraphQLError,
  type GraphQLSchema,
  parse,
} from 'graphql';
import { type Context, makeServer, type Server } from 'graphql-ws';
import { type GraphQLParams, isAsyncIterable } from 'graphql-yoga';
import type { Clock } from '../clock.ts';
import { overloaded } from '../graphql/errors.ts';
import type { Log } from '../log.ts';
import type { Metrics } from '../metrics.ts';
import type { Tracing } from '../tracing/tracing.ts';
import { callerOf } from './callers.ts';
import { type FinishResult, hasErrors, withoutHttpFacts } from './plugins/error-results.ts';
import type { GraphqlServer } from './graphql-server.ts';
import { logRequest } from './plugins/request-log.ts';
import { beginState, type NameCaller } from './plugins/request-state.ts';
import type { Turns } from './turns.ts';

/**
 * The facts about a socket. It lives for hours and thousands are open, so of the upgrade and of `connection_init` nothing
 * is kept but what operations need.
 */
export interface SocketFacts {
  /** The headers of each operation, by their names in lower case. */
  headers: Readonly<Record<string, string>>;
  /** Who bears what it costs: he whom the upgrade names, and then he whom `connection_init` names. */
  caller: string;
  /** Counts it for another caller. @returns whether he had room for it; where he had none, the socket is closed */
  moveTo(caller: string): boolean;
  /** Whether its `connection_init` was acknowledged. */
  acknowledged: boolean;
  /** Number of its operations that are streams. */
  streams: number;
}

/** @param headers those of the upgrade, by their names in lower case */
export function beginSocket(headers: Readonly<IncomingHttpHeaders>): Omit<SocketFacts, 'moveTo'> {
  return {
    headers: headersFromUpgrade(headers),
    caller: callerOf(headers.authorization),
    acknowledged: false,
    streams: 0,
  };
}

export interface WebSocketOperationsDeps {
  readonly server: GraphqlServer;
  readonly schema: GraphQLSchema;
  readonly finishResult: FinishResult;
  /** Admits an operation, see {@link LoadShedding.admit}. */
  readonly admit: (caller: string) => (() => void) | undefined;
  readonly turns: Pick<Turns, 'wait'>;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Pick<Metrics, 'recordRefusal'>;
  readonly nameCaller?: NameCaller | undefined;
  /** Only where traces are made. */
  readonly tracing?: Tracing | undefined;
  /** Milliseconds from the opening of a socket to its `connection_init`. */
  readonly initMs?: number;
}

/** Clients open the socket first and may fetch their token then. */
const INIT_MS = 60_000;

/** Twice a dashboard that subscribes to each of its 50 backfills. */
const MAX_OPERATIONS_PER_SOCKET = 100;

/** A placeholder: graphql-ws wants a document to execute, but yoga has executed the operation by then. */
const SOME_OPERATION = parse('{ __typename }');

type ConnectionParams = Readonly<Record<string, unknown>>;

/**
 * The protocol `graphql-transport-ws`. From its parameters on each operation is handled like a POST, so that every
 * limit of a POST, from the nesting of brackets to trusted documents, holds here too. An operation that cannot run is
 * answered by an `error` message, any other failure by a result with errors.
 */
export function createWebSocketOperations(deps: WebSocketOperationsDeps): Server<SocketFacts> {
  const { server, schema, finishResult, admit, turns, clock, log, metrics, nameCaller, tracing } = deps;
  const { initMs = INIT_MS } = deps;

  async function run(
    { extra, subscriptions }: Context<ConnectionParams, SocketFacts>,
    params: GraphQLParams,
  ): Promise<ExecutionArgs | readonly GraphQLError[]> {
    const { headers, caller } = extra;
    const request = new server.fetchAPI.Request('ws://localhost/graphql', { method: 'POST', headers });
    const state = beginState(headers, clock.monotonic(), nameCaller, tracing?.operation(headers));

    async function ask(): Promise<ExecutionResult | AsyncIterable<ExecutionResult>> {
      if (Object.keys(subscriptions).length > MAX_OPERATIONS_PER_SOCKET) {
        metrics.recordRefusal('socket_operations', 'share');
        throw overloaded(`A socket takes at most ${MAX_OPERATIONS_PER_SOCKET} operations at once.`);
      }
      const done = admit(caller);
      if (done === undefined) throw overloaded();
      try {
        await turns.wait(caller);
        return (
          (await server.getResultForParams({ params, request }, { state, caller, transport: 'websocket' })) ??
          {}
        );
      } finally {
        done();
        // It takes what it needs once more when it is sent.
        state.room?.release();
      }
    }

    const result = await ask().catch((error: unknown) => ({ errors: [error as GraphQLError] }));
    const finished = isAsyncIterable(result)
      ? counted(result, extra)
      : withoutHttpFacts(finishResult(result, state));
    logRequest(log, state, { method: 'WS' }, clock.monotonic());
    state.trace?.end(state);
    const wasRun = state.operation !== undefined;
    if (!isAsyncIterable(finished) && !wasRun && hasErrors(finished)) return finished.errors;
    return { schema, document: SOME_OPERATION, rootValue: finished };
  }

  return makeServer<ConnectionParams, SocketFacts>({
    connectionInitWaitTimeout: initMs,
    onConnect(context) {
      const { extra, connectionParams = {} } = context;
      extra.headers = { ...extra.headers, ...headersFromPayload(connectionParams) };
      const caller = callerOf(extra.headers['authorization']);
      // The socket is closed by then, with a code after which clients come back.
      if (caller !== extra.caller && !extra.moveTo(caller)) return false;
      extra.acknowledged = true;
      // graphql-ws would keep the whole payload as long as the socket.
      delete (context as { connectionParams?: unknown }).connectionParams;
      return true;
    },
    onSubscribe: (context, _id, params) => run(context, params as GraphQLParams),
    execute: ({ rootValue }) => rootValue as ExecutionResult | AsyncIterable<ExecutionResult>,
    // As they are: graphql-ws itself would send nothing but instances of `GraphQLError`, and repeats are none.
    onNext: (_context, _id, _payload, _args, result) => result as FormattedExecutionResult,
  });
}

/** Headers taken from the upgrade. Not `Cache-Control`: browsers send `no-cache` with every upgrade. */
const FROM_UPGRADE = ['authorization', 'x-team-id', 'x-request-id', 'traceparent', 'tracestate'] as const;
/** Headers taken from `connection_init` too, because browsers cannot set them at an upgrade. */
const FROM_PAYLOAD: ReadonlySet<string> = new Set(['authorization', 'x-team-id']);

function headersFromUpgrade(headers: Readonly<IncomingHttpHeaders>): Record<string, string> {
  const given = FROM_UPGRADE.flatMap((name) => {
    const value = headers[name];
    return typeof value === 'string' ? [[name, value] as const] : [];
  });
  return Object.fromEntries(given);
}

function headersFromPayload(params: ConnectionParams): Record<string, string> {
  const sent = Object.entries(params).flatMap(([key, value]) => {
    const name = key.toLowerCase();
    return FROM_PAYLOAD.has(name) && value != null ? [[name, textOf(value)] as const] : [];
  });
  return Object.fromEntries(sent);
}

/** A rounded number or a value that is no text becomes an empty header, which is refused like any malformed one. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  return Number.isSafeInteger(value) ? String(value) : '';
}

/** The same stream, which counts among those of its socket until it ends. */
function counted(
  stream: AsyncIterable<ExecutionResult>,
  socket: SocketFacts,
): AsyncIterableIterator<ExecutionResult> {
  const iterator = stream[Symbol.asyncIterator]();
  let hasEnded = false;
  socket.streams++;

  function end(): void {
    if (!hasEnded) socket.streams--;
    hasEnded = true;
  }

  return {
    async next() {
      try {
        const step = await iterator.next();
        if (step.done === true) end();
        return step;
      } catch (error) {
        end();
        throw error;
      }
    },
    async return() {
      end();
      return (await iterator.return?.()) ?? { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
