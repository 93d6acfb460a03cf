import type { Clock } from '../clock.ts';
import type { ResourceId } from '../ids.ts';
import type { Log } from '../log.ts';
import type { Metrics, UpstreamOperation } from '../metrics.ts';
import type { Credential } from './credentials.ts';
import { invalidResponse, readData } from './envelope.ts';
import { UpstreamError } from './errors.ts';
import type { Answer } from './exchange.ts';
import type { ResilientExchange } from './resilience.ts';
import { type BackfillRecord, backfillRecord } from './records.ts';

/** On whose behalf a call is made. */
export interface Caller {
  readonly credential: Credential;
  readonly requestId: string;
  /** W3C trace context, forwarded unchanged. */
  readonly traceparent: string | undefined;
}

/** The REST API's operations, one method each. Every method rejects with an {@link UpstreamError} and nothing else. */
export interface BackfillsClient {
  /** `GET /teams/{team}/backfills/{backfill}` */
  getBackfill(caller: Caller, teamId: ResourceId, backfillId: ResourceId): Promise<BackfillRecord>;
  /** `GET /teams/{team}/transfers/{transfer}/backfills/latest` */
  getLatestBackfill(caller: Caller, teamId: ResourceId, transferId: ResourceId): Promise<BackfillRecord>;
}

export interface BackfillsClientDeps {
  readonly exchange: ResilientExchange;
  /** Name of the upstream host, scrubbed from whatever of its texts is passed on. */
  readonly upstreamHost: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
}

export function createBackfillsClient({
  exchange,
  upstreamHost,
  clock,
  log,
  metrics,
}: BackfillsClientDeps): BackfillsClient {
  async function call<Value>(
    operation: UpstreamOperation,
    caller: Caller,
    path: string,
    read: (data: unknown, answer: Answer, secrets: readonly string[]) => Value,
  ): Promise<Value> {
    const startedAt = clock.monotonic();
    const secrets = [caller.credential.token, upstreamHost];
    try {
      const answer = await exchange.get({
        owner: caller.credential.partition,
        path,
        headers: headersFor(caller),
      });
      const value = read(readData(answer, secrets, clock.now()), answer, secrets);
      metrics.recordUpstreamCall(operation, 'ok', clock.monotonic() - startedAt);
      return value;
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      metrics.recordUpstreamCall(operation, error.kind, clock.monotonic() - startedAt);
      if (error.kind === 'invalidResponse') {
        const { message: reason, answer } = error;
        log.warn(
          { requestId: caller.requestId, operation, reason, answer },
          'upstream answer not understood',
        );
      }
      throw error;
    }
  }

  return {
    getBackfill: (caller, teamId, backfillId) =>
      call('getBackfillById', caller, `/teams/${teamId}/backfills/${backfillId}`, (data, ...answer) =>
        readBackfill(data, 'transfer_backfill_id', backfillId, ...answer),
      ),
    getLatestBackfill: (caller, teamId, transferId) =>
      call(
        'getLatestBackfill',
        caller,
        `/teams/${teamId}/transfers/${transferId}/backfills/latest`,
        (data, ...answer) => readBackfill(data, 'transfer_id', transferId, ...answer),
      ),
  };
}

/** @throws {UpstreamError} `invalidResponse` when it is no backfill, or not the one that was asked for */
function readBackfill(
  data: unknown,
  key: 'transfer_backfill_id' | 'transfer_id',
  asked: ResourceId,
  answer: Answer,
  secrets: readonly string[],
): BackfillRecord {
  const parsed = backfillRecord.safeParse(data);
  if (!parsed.success) {
    // Where it is wrong and how, never what stood there.
    const faults = parsed.error.issues.map(({ path, code }) => `${path.join('.') || 'data'}: ${code}`);
    throw invalidResponse(answer, `not a backfill: ${faults.slice(0, 5).join(', ')}`, secrets);
  }
  if (parsed.data[key] !== asked) throw invalidResponse(answer, `${key} is not the one asked for`, secrets);
  return parsed.data;
}

function headersFor({ credential, requestId, traceparent }: Caller): Record<string, string> {
  return {
    accept: 'application/json',
    authorization: credential.authorization,
    'x-request-id': requestId,
    ...(traceparent === undefined ? {} : { traceparent }),
  };
}
