import type { IncomingHttpHeaders } from 'node:http';
import type { Operation } from './routes.ts';

/** One request and the status of its answer. */
export interface Call {
  readonly operation: Operation;
  readonly method: string;
  readonly path: string;
  readonly teamId: string | undefined;
  /** The backfill id or the transfer id of the path. */
  readonly id: string | undefined;
  readonly authorization: string | undefined;
  /** `X-Request-Id` of the request. */
  readonly requestId: string | undefined;
  readonly traceparent: string | undefined;
  readonly headers: Readonly<IncomingHttpHeaders>;
  /** Epoch milliseconds of the sandbox's clock. */
  readonly at: number;
  /** Undefined until answered, so for ever when a fault withholds the answer. */
  readonly status: number | undefined;
}

export interface CallLog {
  /** The latest calls, at most `CALLS_KEPT`, oldest first; the counts include older ones. */
  readonly all: readonly Call[];
  readonly inFlight: number;
  /** The highest `inFlight` so far. */
  readonly maxInFlight: number;
  count(operation?: Operation): number;
  /** Counts by method and path, such as `GET /v1/teams/1/backfills/2`. */
  countByPath(): ReadonlyMap<string, number>;
  reset(): void;
}

export interface CallRecorder extends CallLog {
  begin(call: Omit<Call, 'status'>): CallInProgress;
}

export interface CallInProgress {
  answered(status: number): void;
  /** The call is no longer in flight; repeated calls do nothing. */
  ended(): void;
}

/** With its headers a call takes some 2 kB, so a long benchmark or demo may not keep them all. */
const CALLS_KEPT = 20_000;
const DROPPED_AT_ONCE = 2_000;
const PATHS_KEPT = 100_000;
const OTHER_PATHS = '(other paths)';

export function createCallLog(): CallRecorder {
  let all: Call[] = [];
  let counts = new Map<Operation, number>();
  let pathCounts = new Map<string, number>();
  let total = 0;
  let inFlight = 0;
  let maxInFlight = 0;

  return {
    get all() {
      return all;
    },
    get inFlight() {
      return inFlight;
    },
    get maxInFlight() {
      return maxInFlight;
    },
    count: (operation) => (operation === undefined ? total : (counts.get(operation) ?? 0)),
    countByPath: () => new Map(pathCounts),

    reset() {
      all = [];
      counts = new Map();
      pathCounts = new Map();
      total = 0;
      maxInFlight = inFlight;
    },

    begin(request) {
      const call: { -readonly [Key in keyof Call]: Call[Key] } = { ...request, status: undefined };
      const place = `${call.method} ${call.path}`;
      const path = pathCounts.has(place) || pathCounts.size < PATHS_KEPT ? place : OTHER_PATHS;
      total += 1;
      counts.set(call.operation, (counts.get(call.operation) ?? 0) + 1);
      pathCounts.set(path, (pathCounts.get(path) ?? 0) + 1);
      all.push(call);
      if (all.length > CALLS_KEPT) all.splice(0, DROPPED_AT_ONCE);
      inFlight += 1;
      maxInFlight = Math.max(maxInFlight, inFlight);
      let underWay = true;
      return {
        answered(status) {
          call.status = status;
        },
        ended() {
          if (underWay) inFlight -= 1;
          underWay = false;
        },
      };
    },
  };
}
