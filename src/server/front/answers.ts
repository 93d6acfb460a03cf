import type { IncomingMessage, ServerResponse } from 'node:http';
import type { ExecutionResult, GraphQLError } from 'graphql';
import { answerTooLarge, MAX_ANSWER, noRoomForAnswer } from '../../graphql/answer-budget.ts';
import { FailedField } from '../../graphql/failed-field.ts';
import type { Shares } from '../../shares.ts';
import { createFail } from '../failures.ts';
import { etagOf, holds } from '../plugins/etag.ts';
import type { FinishResult } from '../plugins/error-results.ts';
import { logRequest } from '../plugins/request-log.ts';
import { type RecordingDeps, type RequestState, roomOf } from '../plugins/request-state.ts';
import { cacheControl, VARY } from '../plugins/response-headers.ts';
import { SECURITY_HEADERS } from '../plugins/security-headers.ts';
import { writeJson } from './json-texts.ts';
import { NOT_BEGUN, type PlanContext } from './plan-context.ts';

export interface AnswersDeps extends RecordingDeps {
  readonly finishResult: FinishResult;
  /** Of the bytes of answers that have been made and not yet handed to the network. */
  readonly unsentAnswers: Shares;
  /** Whether some headers of an answer depend on the page that asks. */
  readonly variesByOrigin: boolean;
}

/** A request whose operation runs. */
export interface Running {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly state: RequestState;
  readonly caller: string;
  readonly mediaType: string;
  readonly context: PlanContext;
}

/** Sends the results of operations as yoga and its plugins would. */
export interface Answers {
  finish(running: Running, result: ExecutionResult): void;
  fail(running: Running, thrown: unknown): void;
}

export function createAnswers({
  finishResult,
  unsentAnswers,
  variesByOrigin,
  clock,
  log,
  metrics,
}: AnswersDeps): Answers {
  const failRequest = createFail({ log, metrics });
  const fixedHeaders = [
    ...SECURITY_HEADERS.flatMap(([name, value]) => [name.toLowerCase(), value]),
    'vary',
    variesByOrigin ? `${VARY}, Origin` : VARY,
  ];

  function fail({ request, response, state }: Running, thrown: unknown): void {
    request.headers['x-request-id'] = state.requestId;
    failRequest(thrown, request, response);
    state.trace?.endByBug();
  }

  function answer(running: Running, { data, errors = [] }: ExecutionResult): void {
    const { state, caller, context } = running;
    const thrown = [
      ...errors.filter(({ originalError }) => originalError !== NOT_BEGUN).map(thrownIn),
      ...context.failedItems,
    ];
    if (context.answer?.isExceeded === true) {
      refuse(running, context.answer.refusal());
      return;
    }
    const finished =
      thrown.length === 0 ? undefined : finishResult({ data: data ?? null, errors: thrown }, state, true);
    const text =
      finished === undefined
        ? `{"data":${writeJson(data)}}`
        : `{"errors":${JSON.stringify(finished.errors)},"data":${writeJson(finished.data)}}`;
    const bytes = Buffer.byteLength(text);
    if (bytes > MAX_ANSWER.bytes) refuse(running, { data: null, errors: [answerTooLarge()] });
    else if (!roomOf(state, unsentAnswers, caller).set(bytes))
      refuse(running, { errors: [noRoomForAnswer()] });
    else send(running, 200, text, bytes);
  }

  /** @param result of which an error says the status, where that is not 200 */
  function refuse(running: Running, result: ExecutionResult): void {
    const { errors = [], ...rest } = finishResult(result, running.state);
    let status = 200;
    const headers: string[] = [];
    const shown = errors.map(({ message, extensions: { http, ...extensions } }) => {
      const { status: told = status, headers: more = {} } = (http ?? {}) as HttpFacts;
      status = told;
      for (const [name, value] of Object.entries(more)) headers.push(name.toLowerCase(), value);
      return { message, extensions };
    });
    const text = JSON.stringify({ errors: shown, ...rest });
    send(running, status, text, Buffer.byteLength(text), headers);
  }

  function send(
    { request: { method = '', headers: asked }, response, state, mediaType }: Running,
    status: number,
    text: string,
    bytes: number,
    more: readonly string[] = [],
  ): void {
    const now = clock.monotonic();
    const kept = cacheControl(state, status, now);
    const headers = [...fixedHeaders, 'x-request-id', state.requestId, 'cache-control', kept, ...more];
    const etag = method === 'GET' && kept !== 'no-store' ? etagOf(text) : undefined;
    if (etag !== undefined) headers.push('etag', etag);
    const isHeld = etag !== undefined && holds(asked['if-none-match'], etag);
    const sent = isHeld ? 304 : status;
    if (!isHeld) {
      headers.push('content-type', `${mediaType}; charset=utf-8`, 'content-length', String(bytes));
    }
    response.writeHead(sent, headers);
    // Text of ASCII alone is Latin-1 as well, which Node writes faster.
    if (isHeld) response.end();
    else response.end(text, bytes === text.length ? 'latin1' : 'utf8');
    if (response.closed) state.room?.release();
    metrics.recordRequest(sent, now - state.startedAt);
    logRequest(log, state, { method, status: sent }, now);
    state.trace?.end(state);
  }

  return {
    fail,
    finish(running, result) {
      try {
        answer(running, result);
      } catch (thrown) {
        fail(running, thrown);
      }
    },
  };
}

interface HttpFacts {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** The compiler puts what was thrown into an error of its own, also where that has its place already. */
function thrownIn(error: GraphQLError): Error {
  return error.originalError instanceof FailedField ? error.originalError : error;
}
