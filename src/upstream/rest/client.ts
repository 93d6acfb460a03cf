import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Log } from '../../log.ts';
import type { CallCause } from '../../metric-labels.ts';
import type { Metrics } from '../../metrics.ts';
import type { Calls } from '../../tracing/calls.ts';
import type { Span } from '../../tracing/span.ts';
import type { Credential } from '../credentials.ts';
import { type UpstreamDetails, UpstreamError, type UpstreamErrorKind, type WriteKind } from '../errors.ts';
import { ACCEPTED_ENCODINGS } from '../transport/content-encoding.ts';
import type { HttpResponse } from '../transport/http.ts';
import type { ExchangeObserver } from '../transport/request.ts';
import type { ResilientHttp } from '../transport/resilience.ts';
import { type IncompleteBackfills, readBackfill, readList } from './backfill-data.ts';
import { readData, readWriteAnswer } from './envelope.ts';
import { createLargeBodies, LARGE_BODY_CHARACTERS } from './large-bodies.ts';
import type { BackfillRecord } from './records.ts';
import { failureOf } from './write-failures.ts';

/** operationIds of the REST API's OpenAPI document. */
type ReadOperation = 'getBackfillById' | 'getLatestBackfill' | 'listIncompleteBackfills';
type WriteOperation = 'createBackfill' | 'updateBackfillStatus';
type UpstreamOperation = ReadOperation | WriteOperation;

/** On whose behalf a call is made. */
export interface Caller {
  readonly credential: Credential;
  readonly requestId: string;
  /** W3C trace context, forwarded unchanged; undefined where the call has its own. */
  readonly traceparent: string | undefined;
}

export interface WriteCallOptions {
  /** Whether the REST API has accepted the credential before. */
  readonly isAccepted: boolean;
  /** Called for each HTTP exchange that is really made, retries included. */
  readonly onExchange: () => void;
  /** Among which the call has its span; only where traces are made. */
  readonly calls?: Calls | undefined;
}

export interface CallOptions extends WriteCallOptions {
  /** The deadline of the call, in milliseconds from now. */
  readonly timeoutMs: number;
  /** What the call is made for. */
  readonly cause: CallCause;
}

/** Dates, both inclusive, as `YYYY-MM-DD`. */
export interface DateRange {
  readonly start: string;
  readonly end: string;
}

/** The backfill as a write left it. */
export interface Written {
  readonly record: BackfillRecord;
  /** The REST API's id of the request, where it gave one. */
  readonly upstreamRequestId: string | undefined;
}

/** The REST API's operations, one method each. Every method rejects with an {@link UpstreamError} and nothing else. */
export interface BackfillsClient {
  /** `GET /teams/{team}/backfills/{backfill}` */
  getBackfill(
    caller: Caller,
    teamId: ResourceId,
    backfillId: ResourceId,
    options: CallOptions,
  ): Promise<BackfillRecord>;
  /** `GET /teams/{team}/transfers/{transfer}/backfills/latest` */
  getLatestBackfill(
    caller: Caller,
    teamId: ResourceId,
    transferId: ResourceId,
    options: CallOptions,
  ): Promise<BackfillRecord>;
  /** `GET /teams/{team}/backfills` */
  listIncompleteBackfills(
    caller: Caller,
    teamId: ResourceId,
    options: CallOptions,
  ): Promise<IncompleteBackfills>;
  /**
   * `POST /teams/{team}/transfers/{transfer}/backfills`, sent once. Rejects with `outcomeUnknown` where nobody can know
   * what became of it.
   */
  createBackfill(
    caller: Caller,
    teamId: ResourceId,
    transferId: ResourceId,
    range: DateRange,
    options: WriteCallOptions,
  ): Promise<Written>;
  /** `PATCH /teams/{team}/backfills/{backfill}`, likewise. A backfill that has ended before is a `conflict`. */
  cancelBackfill(
    caller: Caller,
    teamId: ResourceId,
    backfillId: ResourceId,
    options: WriteCallOptions,
  ): Promise<Written>;
}

const WRITES = {
  create: { operation: 'createBackfill', method: 'POST' },
  cancel: { operation: 'updateBackfillStatus', method: 'PATCH' },
} as const satisfies Readonly<Record<WriteKind, object>>;

/** A full list of full reports has about 10 MiB. */
const MAX_BODY_BYTES: Readonly<Record<UpstreamOperation, number>> = {
  getBackfillById: 4 * 1024 * 1024,
  getLatestBackfill: 4 * 1024 * 1024,
  listIncompleteBackfills: 16 * 1024 * 1024,
  createBackfill: 4 * 1024 * 1024,
  updateBackfillStatus: 4 * 1024 * 1024,
};

/** Outcomes that operators watch for, so that their series exist before the first of them. */
const WATCHED = ['ok', 'failed', 'unavailable', 'timeout', 'rateLimited'] as const satisfies (
  'ok' | UpstreamErrorKind
)[];

export interface BackfillsClientDeps {
  readonly http: ResilientHttp;
  /** Name of the upstream host, to be scrubbed from texts that are passed on. */
  readonly upstreamHost: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createBackfillsClient({
  http,
  upstreamHost,
  clock,
  log,
  metrics,
}: BackfillsClientDeps): BackfillsClient {
  const largeBodies = createLargeBodies(clock);
  for (const operation of Object.keys(MAX_BODY_BYTES)) {
    for (const outcome of WATCHED) metrics.expectUpstreamCall(operation, outcome);
  }

  /** Makes a call, and reports how it went. */
  async function observed<Value>(
    operation: UpstreamOperation,
    cause: CallCause,
    caller: Caller,
    { onExchange, calls }: WriteCallOptions,
    call: (exchanges: ExchangeObserver, span: Span | undefined) => Promise<HttpResponse>,
    parse: (response: HttpResponse, secrets: readonly string[]) => Value,
    failed: (error: UpstreamError) => UpstreamError = (error) => error,
  ): Promise<Value> {
    const report = new CallReport(operation, cause, onExchange, clock, metrics);
    const span = calls?.begin(operation);
    try {
      const response = await call(report, span);
      const secrets = [caller.credential.token, upstreamHost];
      const isLarge = response.text.length > LARGE_BODY_CHARACTERS;
      const value = isLarge ? await largeBodies(() => parse(response, secrets)) : parse(response, secrets);
      report.ended('ok');
      return value;
    } catch (thrown) {
      if (!(thrown instanceof UpstreamError)) {
        span?.failBy(thrown);
        throw thrown;
      }
      const error = failed(thrown);
      if (!isNoBackfillYet(operation, error)) span?.failBy(error);
      // What a circuit refused, or got no slot, was no call.
      if (report.exchanges > 0) report.ended(error.kind);
      if (thrown.kind === 'invalidResponse') reportDrift(operation, caller, thrown.message, thrown.details);
      throw error;
    } finally {
      span?.set({ 'backfill_gateway.exchanges': report.exchanges });
      span?.end();
    }
  }

  function read<Value>(
    operation: ReadOperation,
    caller: Caller,
    teamId: ResourceId,
    path: string,
    options: CallOptions,
    parse: (data: unknown, response: HttpResponse, secrets: readonly string[]) => Value,
  ): Promise<Value> {
    const { timeoutMs, cause, isAccepted } = options;
    return observed(
      operation,
      cause,
      caller,
      options,
      (exchanges, span) =>
        http.get({
          timeoutMs,
          isAccepted,
          credentialId: caller.credential.id,
          teamId,
          path: `/teams/${teamId}${path}`,
          headers: headersFor(caller),
          isList: operation === 'listIncompleteBackfills',
          maxBytes: MAX_BODY_BYTES[operation],
          exchanges,
          span,
        }),
      (response, secrets) => parse(readData(response, secrets, clock.now()), response, secrets),
    );
  }

  function write(
    kind: WriteKind,
    caller: Caller,
    teamId: ResourceId,
    path: string,
    body: Readonly<Record<string, string>>,
    options: WriteCallOptions,
    parse: (data: unknown, response: HttpResponse, secrets: readonly string[]) => BackfillRecord,
  ): Promise<Written> {
    const { operation, method } = WRITES[kind];
    return observed(
      operation,
      'write',
      caller,
      options,
      (exchanges, span) =>
        http.send({
          isAccepted: options.isAccepted,
          credentialId: caller.credential.id,
          teamId,
          method,
          path: `/teams/${teamId}${path}`,
          headers: { ...headersFor(caller), 'content-type': 'application/json' },
          body: JSON.stringify(body),
          maxBytes: MAX_BODY_BYTES[operation],
          exchanges,
          span,
        }),
      (response, secrets) => {
        const { data, requestId } = readWriteAnswer(response, secrets, clock.now());
        return { record: parse(data, response, secrets), upstreamRequestId: requestId };
      },
      (error) => failureOf(kind, error),
    );
  }

  function reportDrift(
    operation: UpstreamOperation,
    { requestId }: Caller,
    reason: string,
    response: UpstreamDetails | undefined,
  ): void {
    log.warn({ requestId, operation, reason, response }, 'upstream response not understood');
  }

  return {
    getBackfill: (caller, teamId, backfillId, options) =>
      read('getBackfillById', caller, teamId, `/backfills/${backfillId}`, options, (data, ...rest) =>
        readBackfill(data, 'transfer_backfill_id', backfillId, ...rest),
      ),
    getLatestBackfill: (caller, teamId, transferId, options) =>
      read(
        'getLatestBackfill',
        caller,
        teamId,
        `/transfers/${transferId}/backfills/latest`,
        options,
        (data, ...rest) => readBackfill(data, 'transfer_id', transferId, ...rest),
      ),
    async listIncompleteBackfills(caller, teamId, options) {
      const { faults, ...list } = await read(
        'listIncompleteBackfills',
        caller,
        teamId,
        '/backfills',
        options,
        readList,
      );
      if (faults !== undefined) {
        reportDrift('listIncompleteBackfills', caller, `not all are backfills: ${faults}`, { status: 200 });
      }
      return list;
    },
    createBackfill: (caller, teamId, transferId, { start, end }, options) =>
      write(
        'create',
        caller,
        teamId,
        `/transfers/${transferId}/backfills`,
        { range_start: start, range_end: end },
        options,
        (data, ...rest) => readBackfill(data, 'transfer_id', transferId, ...rest),
      ),
    cancelBackfill: (caller, teamId, backfillId, options) =>
      write(
        'cancel',
        caller,
        teamId,
        `/backfills/${backfillId}`,
        { status: 'CANCELLED' },
        options,
        (data, ...rest) => readBackfill(data, 'transfer_backfill_id', backfillId, ...rest),
      ),
  };
}

/** What a transfer without a backfill is answered with, which is no error to anybody. */
function isNoBackfillYet(operation: UpstreamOperation, { kind }: UpstreamError): boolean {
  return operation === 'getLatestBackfill' && kind === 'notFound';
}

/** Counts the exchanges of one call, and how long they took. All but the first are retries, whatever they repeat. */
class CallReport implements ExchangeObserver {
  readonly #operation: UpstreamOperation;
  readonly #cause: CallCause;
  readonly #onExchange: () => void;
  readonly #clock: Pick<Clock, 'monotonic'>;
  readonly #metrics: Pick<Metrics, 'recordExchange' | 'recordUpstreamCall'>;
  readonly #startedAt: number;
  exchanges = 0;

  constructor(
    operation: UpstreamOperation,
    cause: CallCause,
    onExchange: () => void,
    clock: Pick<Clock, 'monotonic'>,
    metrics: Pick<Metrics, 'recordExchange' | 'recordUpstreamCall'>,
  ) {
    this.#operation = operation;
    this.#cause = cause;
    this.#onExchange = onExchange;
    this.#clock = clock;
    this.#metrics = metrics;
    this.#startedAt = clock.monotonic();
  }

  began(): void {
    this.#metrics.recordExchange(this.exchanges > 0 ? 'retry' : this.#cause);
    this.exchanges++;
    this.#onExchange();
  }

  spent(kind: Parameters<ExchangeObserver['spent']>[0]): void {
    this.ended(kind);
  }

  ended(outcome: string): void {
    this.#metrics.recordUpstreamCall(this.#operation, outcome, this.#clock.monotonic() - this.#startedAt);
  }
}

function headersFor({ credential, requestId, traceparent }: Caller): Record<string, string> {
  return {
    accept: 'application/json',
    'accept-encoding': ACCEPTED_ENCODINGS,
    authorization: credential.authorization,
    'x-request-id': requestId,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
