import { Pool } from 'undici';
import { loadConfig } from '../../../src/config.ts';
import { startGateway } from '../../../src/running-gateway.ts';
import { createLog } from '../../../src/log.ts';
import { envelope } from '../../../src/sandbox/faults.ts';
import type { Operation } from '../../../src/sandbox/routes.ts';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { type Claim, claim, type Findings } from '../faults/claims.ts';
import { percentile } from '../statistics.ts';
import { CLIENTS, DASHBOARD, endedWithin, type Fleet, planFleet, POLL_MS, worldOf } from './fleet.ts';
import { inSeconds, table, whole } from '../format.ts';
import { type Truth, truthOf } from './truth.ts';

const TTL_MS = 2_000;
const MINUTE_MS = 60_000;
const POLLS = MINUTE_MS / POLL_MS;
const TRANSFERS = 200;
const RUNNING = 40;
/** So high that the governor leaves it alone: only the team list is compared here. */
const QUOTA = 1_000_000;
const OPERATIONS = ['getLatestBackfill', 'listIncompleteBackfills', 'getBackfillById'] as const;
const FIELDS = 'id status transferRunsCompleted fetchedAt isStale';
const DASHBOARD_QUERY = `query Dashboard($ids: [ID!]!) { transfers(ids: $ids) { id latestBackfill { ${FIELDS} } } }`;

interface Shown {
  readonly id: string;
  readonly status: string;
  readonly transferRunsCompleted: number;
  readonly fetchedAt: string;
  readonly isStale: boolean;
}

interface Body {
  readonly data?: {
    readonly transfers: readonly { readonly id: string; readonly latestBackfill: Shown | null }[];
  };
  readonly errors?: readonly unknown[];
}

interface Measured {
  readonly requests: number;
  readonly calls: number;
  readonly byOperation: ReadonlyMap<Operation, number>;
  /** Of what the REST API called incomplete, in milliseconds. */
  readonly agesMs: readonly number[];
  /** Values that were true at no moment of the last `TTL_MS`. */
  readonly untrue: number;
  readonly errors: number;
  readonly tookMs: number;
}

/** 200 clients over the real gateway by real HTTP for a minute of the injected clock, with the team list and without. */
export async function minute(progress: (text: string) => void): Promise<Findings> {
  const { startsAt } = clockOfTheFleet();
  const fleet = planFleet({ transfers: TRANSFERS, running: RUNNING, startsAt, hours: 1 });
  progress('economy: a minute with the team list');
  const withList = await measure(fleet, true);
  progress('economy: the same minute without it');
  const without = await measure(fleet, false);
  const ended = endedWithin(fleet, startsAt, startsAt + MINUTE_MS);
  return { report: reportOf(withList, without, ended), claims: claimsOf(withList, without, ended) };
}

function clockOfTheFleet() {
  const clock = createManualClock();
  return { clock, startsAt: clock.now() };
}

async function measure(fleet: Fleet, list: boolean): Promise<Measured> {
  const { clock, startsAt } = clockOfTheFleet();
  const sandbox = await startSandbox({ world: worldOf(fleet, () => clock.now()), hourlyQuota: QUOTA });
  if (!list) {
    sandbox.faults.add({
      times: Infinity,
      when: { operation: 'listIncompleteBackfills' },
      answer: { kind: 'status', status: 403, body: envelope('FORBIDDEN', 'No') },
    });
  }
  const gateway = await startGateway({
    config: loadConfig({
      PORT: '0',
      HOST: '127.0.0.1',
      SUPERMETRICS_API_URL: sandbox.url,
      // By default all is read anew when the minute ends, and what is asked for by many begins a little before.
      CACHE_FINAL_TTL_MS: '120000',
    }),
    log: createLog('silent'),
    clock,
  });
  const pool = new Pool(`http://127.0.0.1:${gateway.port}`, { connections: 8 });
  const truth = truthOf(fleet);
  const agesMs: number[] = [];
  let [requests, untrue, errors] = [0, 0, 0];
  const startedAt = performance.now();
  for (let poll = 0; poll < POLLS; poll++) {
    for (const { offsetMs, transferIds } of fleet.clients) {
      clock.advance(startsAt + poll * POLL_MS + offsetMs - clock.now());
      const body = await ask(pool, transferIds);
      requests++;
      errors += body.errors?.length ?? 0;
      const transfers = body.data?.transfers ?? [];
      untrue += DASHBOARD - transfers.length;
      for (const { id, latestBackfill } of transfers) {
        if (!isTrue(truth, clock.now(), id, latestBackfill)) untrue++;
        if (latestBackfill !== null && INCOMPLETE.has(latestBackfill.status))
          agesMs.push(clock.now() - Date.parse(latestBackfill.fetchedAt));
      }
    }
  }
  const tookMs = performance.now() - startedAt;
  await pool.close();
  await gateway.stop();
  const byOperation = new Map(OPERATIONS.map((operation) => [operation, sandbox.calls.count(operation)]));
  const calls = sandbox.calls.count();
  await sandbox.close();
  return { requests, calls, byOperation, agesMs, untrue, errors, tookMs };
}

const INCOMPLETE: ReadonlySet<string> = new Set(['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED']);

async function ask(pool: Pool, ids: readonly string[]): Promise<Body> {
  const { statusCode, body } = await pool.request({
    method: 'POST',
    path: '/graphql',
    headers: {
      authorization: 'Bearer sandbox-full',
      'x-team-id': '1',
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: JSON.stringify({ query: DASHBOARD_QUERY, variables: { ids } }),
  });
  const text = await body.text();
  if (statusCode !== 200) throw new Error(`status ${statusCode}: ${text.slice(0, 400)}`);
  return JSON.parse(text) as Body;
}

/**
 * Whether the sandbox would have said so at a moment of the last `TTL_MS`: at the one that the answer names, or, for
 * what was confirmed since, at the beginning or the end of that time.
 */
function isTrue(truth: Truth, now: number, transferId: string, shown: Shown | null): boolean {
  const named = shown === null ? now : Date.parse(shown.fetchedAt);
  const moments = named >= now - TTL_MS ? [named, now - TTL_MS, now] : [now - TTL_MS, now];
  return moments.some((at) => {
    const then = truth.latestAt(at, transferId);
    if (shown === null || then === undefined) return shown === null && then === undefined;
    return (
      shown.id === then.transfer_backfill_id &&
      shown.status === then.status &&
      shown.transferRunsCompleted === then.transfer_runs_completed
    );
  });
}

function reportOf(withList: Measured, without: Measured, ended: number): string {
  const row = (name: string, { requests, calls, byOperation, agesMs }: Measured): readonly string[] => [
    name,
    whole(requests),
    whole(calls),
    ...OPERATIONS.map((operation) => whole(byOperation.get(operation) ?? 0)),
    (calls / withList.calls).toFixed(1),
    inSeconds(percentile(agesMs, 0.5)),
    inSeconds(percentile(agesMs, 1)),
  ];
  const alone = CLIENTS * DASHBOARD * POLLS;
  return [
    `### ${CLIENTS} clients for a minute: dashboards of ${DASHBOARD} transfers, polled every ${POLL_MS / 1000} s`,
    '',
    table(
      ['', 'requests', 'upstream calls', ...OPERATIONS, '× with the list', 'age of running data: p50', 'max'],
      [
        row('gateway', withList),
        row('gateway, the list of the team refused with 403', without),
        [
          'clients that ask the REST API themselves (arithmetic)',
          whole(CLIENTS * POLLS),
          whole(alone),
          whole(alone),
          '0',
          '0',
          whole(alone / withList.calls),
          '–',
          '–',
        ],
      ],
    ),
    '',
    `One team of ${TRANSFERS} transfers, ${RUNNING} of them with a running backfill, ${ended} of which end within the ` +
      `minute; ${DASHBOARD} transfers drawn for each client. Real HTTP on an injected clock; the quota is out of the way. ` +
      `The minute took ${inSeconds(withList.tookMs)} and ${inSeconds(without.tookMs)}.`,
  ].join('\n');
}

function claimsOf(withList: Measured, without: Measured, ended: number): readonly Claim[] {
  const allowed = TRANSFERS + MINUTE_MS / TTL_MS + 2 * ended;
  const { requests } = withList;
  return [
    claim(
      `minute: at most ${TRANSFERS} misses, a list call every ${TTL_MS / 1000} s and 2 calls for each of ${ended} ended backfills`,
      `${withList.calls} of ${allowed}`,
      withList.calls <= allowed && requests === CLIENTS * POLLS,
    ),
    claim(
      `minute: every value was the REST API's at a moment of the last ${TTL_MS / 1000} s`,
      `${withList.untrue} were not, of ${whole(requests * DASHBOARD)}; ${without.untrue} without the list`,
      withList.untrue + without.untrue === 0,
    ),
    claim(
      'minute: no errors',
      `${withList.errors}; ${without.errors} without the list`,
      withList.errors + without.errors === 0,
    ),
  ];
}
