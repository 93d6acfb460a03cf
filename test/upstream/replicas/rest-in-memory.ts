import type { UpstreamError } from '../../../src/upstream/errors.ts';
import type { HttpClient, HttpResponse } from '../../../src/upstream/transport/http.ts';
import type { ManualClock } from '../../support/manual-clock.ts';
import { RECORD } from '../../support/records.ts';

/** How a credential stands in a team. */
export type Access = 'allowed' | 401 | 403 | 429;

/** The REST API on the injected clock, with all that it ever held. Backfill and transfer of one number belong together. */
export interface RestInMemory {
  readonly http: HttpClient;
  /** Calls by credential, with their moments. */
  readonly calls: ReadonlyMap<string, readonly number[]>;
  progress(team: string, id: string): void;
  setAccess(token: string, team: string, access: Access): void;
  /** Whether the credential was allowed to read the team at some moment of these. */
  wasAllowed(token: string, team: string, from: number, to: number): boolean;
  /** When the backfill last had so many runs done; undefined where it never had. */
  lastHad(team: string, id: string, runs: number): number | undefined;
  isOver(team: string, id: string): boolean;
}

interface Change<Value> {
  readonly at: number;
  readonly value: Value;
}

/** Of a backfill; when all are done it is over. */
export const RUNS = 40;

export interface RestOptions {
  readonly ids: readonly string[];
  /** Of a call. */
  readonly latencyMs: () => number;
  /** Calls an hour that each answer tells of; none where it is undefined. */
  readonly limit?: number | undefined;
  /** Runs that are done at first. */
  readonly done?: number | undefined;
}

export function createRestInMemory(
  clock: ManualClock,
  { ids, latencyMs, limit, done: doneAtFirst = 0 }: RestOptions,
): RestInMemory {
  const runs = new Map<string, Change<number>[]>();
  const access = new Map<string, Change<Access>[]>();
  const calls = new Map<string, number[]>();

  const historyOf = (team: string, id: string): Change<number>[] => {
    const key = `${team}/${id}`;
    const known = runs.get(key) ?? [{ at: -Infinity, value: doneAtFirst }];
    runs.set(key, known);
    return known;
  };

  function runsNow(team: string, id: string): number {
    return historyOf(team, id).at(-1)?.value ?? 0;
  }

  function accessOf(token: string, team: string): Change<Access>[] {
    const key = `${token}/${team}`;
    const known = access.get(key) ?? [{ at: -Infinity, value: 'allowed' }];
    access.set(key, known);
    return known;
  }

  /** The user who created it says for whom it was read. */
  function recordOf(token: string, team: string, id: string): object {
    const done = runsNow(team, id);
    return {
      ...RECORD,
      transfer_backfill_id: Number(id),
      transfer_id: Number(id),
      created_user_id: userOf(token, team),
      status: done >= RUNS ? 'COMPLETED' : 'RUNNING',
      transfer_runs_total: RUNS,
      transfer_runs_created: RUNS,
      transfer_runs_completed: done,
      transfer_runs_failed: 0,
      error_report: [],
    };
  }

  function answer(path: string, token: string): HttpResponse {
    const [, , team = '', kind = '', first = ''] = path.split('/');
    const allowed = accessOf(token, team).at(-1)?.value ?? 'allowed';
    if (allowed !== 'allowed') {
      const headers = allowed === 429 ? { 'retry-after': '5' } : {};
      return { status: allowed, headers, text: '' };
    }
    if (kind === 'backfills' && first === '')
      return ok(ids.filter((id) => runsNow(team, id) < RUNS).map((id) => recordOf(token, team, id)));
    return ok(recordOf(token, team, first));
  }

  return {
    http: {
      begin(path, sent) {
        const token = (sent['authorization'] ?? '').replace('Bearer ', '');
        const at = clock.monotonic();
        calls.set(token, [...(calls.get(token) ?? []), at]);
        let abort = (_reason: UpstreamError): void => undefined;
        const takesMs = latencyMs();
        const response = new Promise<HttpResponse>((resolve, reject) => {
          abort = reject;
          // What it says is of some moment on the way.
          clock.after(takesMs / 2, () => {
            const { headers, ...given } = answer(path, token);
            const told = limit === undefined ? {} : { 'x-ratelimit-limit': String(limit) };
            clock.after(takesMs / 2, () => resolve({ ...given, headers: { ...headers, ...told } }));
          });
        });
        return { response, shortenDeadline: () => undefined, abort: (reason) => abort(reason) };
      },
      close: () => Promise.resolve(),
    },
    calls,
    progress(team, id) {
      const done = runsNow(team, id);
      if (done < RUNS) historyOf(team, id).push({ at: clock.monotonic(), value: done + 1 });
    },
    setAccess(token, team, value) {
      accessOf(token, team).push({ at: clock.monotonic(), value });
    },
    wasAllowed(token, team, from, to) {
      const history = accessOf(token, team);
      return history.some(
        ({ at, value }, n) => value === 'allowed' && at <= to && (history[n + 1]?.at ?? Infinity) >= from,
      );
    },
    lastHad(team, id, value) {
      const history = historyOf(team, id);
      const n = history.findIndex((change) => change.value === value);
      if (n < 0) return undefined;
      return history[n + 1]?.at ?? clock.monotonic();
    },
    isOver: (team, id) => runsNow(team, id) >= RUNS,
  };
}

/** One user for each credential in each team, whom nobody else has. */
export function userOf(token: string, team: string): number {
  return 1_000 * Number(team) + Number(/\d+/.exec(token)?.[0] ?? 0);
}

function ok(data: unknown): HttpResponse {
  const text = JSON.stringify({ meta: { request_id: 'r' }, data });
  return { status: 200, headers: { 'content-type': 'application/json' }, text };
}
