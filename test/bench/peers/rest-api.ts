import { LRUCache } from 'lru-cache';

/** What one upstream record becomes: a Backfill as the peers' schema has it. */
export interface PeerBackfill {
  readonly id: string;
  readonly status: string;
  readonly rangeStartDate: string;
  readonly rangeEndDate: string;
  readonly createdTime: string;
  readonly startTime: string | null;
  readonly endTime: string | null;
  readonly transferRunsTotal: number;
  readonly transferRunsCreated: number;
  readonly transferRunsCompleted: number;
  readonly transferRunsFailed: number;
}

interface WireRecord {
  readonly transfer_backfill_id: number;
  readonly status: string;
  readonly range_start_date: string;
  readonly range_end_date: string;
  readonly created_time: string;
  readonly start_time: string | null;
  readonly end_time: string | null;
  readonly transfer_runs_total: number;
  readonly transfer_runs_created: number;
  readonly transfer_runs_completed: number;
  readonly transfer_runs_failed: number;
}

/** Who asks. */
export interface Caller {
  readonly authorization: string;
  readonly teamId: string;
}

export interface RestApi {
  backfill(caller: Caller, id: string): PeerBackfill | Promise<PeerBackfill>;
  latestBackfill(caller: Caller, transferId: string): PeerBackfill | Promise<PeerBackfill>;
}

/** Gets a path of the upstream as this credential. @returns the parsed body of an answer 200 */
export type Get = (path: string, authorization: string) => Promise<unknown>;

export const UPSTREAM_URL = process.env['UPSTREAM_URL'] ?? '';
export const PORT = Number(process.env['PORT']);

/** As a team builds it that has no gateway: values are kept for their lifetime, by credential and path. */
export function createRestApi(get: Get): RestApi {
  const kept = new LRUCache<string, PeerBackfill>({
    max: 50_000,
    ttl: Number(process.env['CACHE_TTL_MS']),
  });
  const read = ({ authorization }: Caller, path: string): PeerBackfill | Promise<PeerBackfill> => {
    const key = `${authorization} ${path}`;
    const known = kept.get(key);
    if (known !== undefined) return known;
    return get(path, authorization).then((body) => {
      const value = fromWire((body as { readonly data: WireRecord }).data);
      kept.set(key, value);
      return value;
    });
  };
  return {
    backfill: (caller, id) => read(caller, `/v1/teams/${caller.teamId}/backfills/${id}`),
    latestBackfill: (caller, transferId) =>
      read(caller, `/v1/teams/${caller.teamId}/transfers/${transferId}/backfills/latest`),
  };
}

function fromWire(record: WireRecord): PeerBackfill {
  return {
    id: String(record.transfer_backfill_id),
    status: record.status,
    rangeStartDate: record.range_start_date,
    rangeEndDate: record.range_end_date,
    createdTime: record.created_time,
    startTime: record.start_time,
    endTime: record.end_time,
    transferRunsTotal: record.transfer_runs_total,
    transferRunsCreated: record.transfer_runs_created,
    transferRunsCompleted: record.transfer_runs_completed,
    transferRunsFailed: record.transfer_runs_failed,
  };
}
