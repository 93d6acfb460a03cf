import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  DEMO_BACKFILL_IDS,
  DEMO_TEAM_ID,
  DEMO_TRANSFER_IDS,
  OTHER_DEMO_TEAM_ID,
} from '../../src/sandbox/world/demo-world.ts';
import { envelope } from '../../src/sandbox/faults.ts';
import { startSandbox } from '../../src/sandbox/server.ts';
import type { Sandbox } from '../../src/sandbox/server.ts';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import { RULES, contractProblems } from '../support/openapi.ts';
import type { OperationId, ReceivedAnswer } from '../support/openapi.ts';

interface ContractRequest {
  readonly operation: OperationId;
  readonly method: string;
  readonly path: string;
  readonly body?: string;
}

const START = Date.parse('2026-03-01T12:00:00Z');
const MOMENTS = [0, 7_000, 61_000, 150_000, 3_600_000, 26 * 3_600_000, 400 * 86_400_000];
/** All but the one that is never answered. */
const TOKENS = [
  ...Object.values(DEMO_TOKENS).filter((token) => token !== DEMO_TOKENS.hanging),
  'sandbox-nobody',
  undefined,
];
const TEAMS = [DEMO_TEAM_ID, OTHER_DEMO_TEAM_ID];
const STRANGE_TEAMS = ['5', '0', '9223372036854775808'];
const { lively, running, completed } = DEMO_TRANSFER_IDS;
const { partlyFailed, failed, cancelled, scheduled, neverRun, huge } = DEMO_TRANSFER_IDS;
const SPECIAL = [partlyFailed, failed, cancelled, scheduled, neverRun, huge];
/** Without the one that breaks the contract on purpose: `oddTime`. */
const TRANSFERS = [...lively, ...running, ...completed.slice(0, 3), ...SPECIAL, '700001', '1', 'x'];
const BACKFILLS = [
  ...Object.values(DEMO_BACKFILL_IDS).filter((id) => id !== DEMO_BACKFILL_IDS.oddTime),
  '7000000001',
  '22345',
  '1',
  '9223372036854775808',
];

let now = START;
let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await startSandbox({ now: () => now, slowMs: 0 });
});

afterAll(() => sandbox.close());

async function ask(request: ContractRequest, token: string | undefined): Promise<ReceivedAnswer> {
  const response = await fetch(`${sandbox.url}${request.path}`, {
    method: request.method,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    ...(request.body === undefined ? {} : { body: request.body }),
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

function reads(team: string): ContractRequest[] {
  return [
    { operation: 'listIncompleteBackfills', method: 'GET', path: `/teams/${team}/backfills` },
    ...BACKFILLS.map((id): ContractRequest => ({
      operation: 'getBackfillById',
      method: 'GET',
      path: `/teams/${team}/backfills/${id}`,
    })),
    ...TRANSFERS.map((id): ContractRequest => ({
      operation: 'getLatestBackfill',
      method: 'GET',
      path: `/teams/${team}/transfers/${id}/backfills/latest`,
    })),
  ];
}

function writes(team: string): ContractRequest[] {
  const ranges = [
    '{"range_start":"2023-01-01","range_end":"2023-01-31"}',
    '{"range_start":"2023-01-31","range_end":"2023-01-01"}',
    '{"range_start":"2023-02-30","range_end":"2023-03-01"}',
    '{"range_start":"2023-01-01"}',
    '{',
  ];
  const statuses = ['{"status":"RUNNING"}', '[]', '', '{"status":"CANCELLED"}', '{"status":"CANCELLED"}'];
  return [
    ...[neverRun, ...completed.slice(0, 2), '1', '-1'].flatMap((id) =>
      ranges.map((body): ContractRequest => ({
        operation: 'createBackfill',
        method: 'POST',
        path: `/teams/${team}/transfers/${id}/backfills`,
        body,
      })),
    ),
    ...[DEMO_BACKFILL_IDS.scheduled, DEMO_BACKFILL_IDS.completed, '500001', '7000000001', '1', '1.5'].flatMap(
      (id) =>
        statuses.map((body): ContractRequest => ({
          operation: 'updateBackfillStatus',
          method: 'PATCH',
          path: `/teams/${team}/backfills/${id}`,
          body,
        })),
    ),
  ];
}

// The document has no 400 for the reads, and does not say what a path that is no number gets instead. A 503 is what
// stands before an API answers, as a token that makes trouble plays it.
function isBeyondTheDocument({ method }: ContractRequest, status: number): boolean {
  return (method === 'GET' && status === 400) || status === 503;
}

describe('every answer of the sandbox keeps the published contract', () => {
  const seen = new Set<string>();

  async function sweep(requests: readonly ContractRequest[]): Promise<string[]> {
    // Only one of the tokens can change anything, so they may go side by side; each asks in order.
    const problems = await Promise.all(TOKENS.map((token) => sweepWith(token, requests)));
    return problems.flat();
  }

  async function sweepWith(
    token: string | undefined,
    requests: readonly ContractRequest[],
  ): Promise<string[]> {
    const problems: string[] = [];
    for (const request of requests) {
      const answer = await ask(request, token);
      seen.add(`${request.operation} ${answer.status}`);
      if (isBeyondTheDocument(request, answer.status)) continue;
      const found = contractProblems(request.operation, answer);
      problems.push(...found.map((why) => `${String(token)} ${request.method} ${request.path}: ${why}`));
    }
    return problems;
  }

  test.each(MOMENTS)('%d ms after the start', async (elapsed) => {
    now = START + elapsed;
    const strangers = STRANGE_TEAMS.flatMap((team) => [
      ...reads(team).slice(0, 3),
      ...writes(team).slice(-2),
    ]);
    expect(
      await sweep([...TEAMS.flatMap((team) => [...reads(team), ...writes(team)]), ...strangers]),
    ).toEqual([]);
  });

  test('after the last call of the hour', async () => {
    const world = sandbox.world;
    const small = await startSandbox({ world, hourlyQuota: 1 });
    const path = `/teams/${DEMO_TEAM_ID}/backfills`;
    const get = async () => {
      const response = await fetch(small.url + path, { headers: { authorization: 'Bearer sandbox-full' } });
      return { status: response.status, headers: response.headers, text: await response.text() };
    };
    await get();
    const refused = await get();
    await small.close();

    expect(refused.status).toBe(429);
    expect(contractProblems('listIncompleteBackfills', refused)).toEqual([]);
  });

  test('when it fails by script', async () => {
    const remove = sandbox.faults.add({
      times: Infinity,
      answer: {
        kind: 'status',
        status: 500,
        body: envelope('INTERNAL_SERVER_ERROR', 'An unexpected error occurred.'),
      },
    });
    const one = [...reads(DEMO_TEAM_ID), ...writes(DEMO_TEAM_ID)];
    expect(await sweep(one)).toEqual([]);
    remove();
  });

  test('and together they have shown every documented status of every operation', () => {
    const documented = Object.entries(RULES).flatMap(([operation, statuses]) =>
      Object.keys(statuses).map((status) => `${operation} ${status}`),
    );
    expect(documented.filter((pair) => !seen.has(pair))).toEqual([]);
  });
});

describe('the checks themselves', () => {
  const path = `/teams/${DEMO_TEAM_ID}/transfers/${DEMO_TRANSFER_IDS.huge}/backfills/latest`;
  const request: ContractRequest = { operation: 'getLatestBackfill', method: 'GET', path };
  const spoiled = async (edit: (json: string) => string) => {
    sandbox.faults.add({ answer: { kind: 'edit', edit } });
    return contractProblems('getLatestBackfill', await ask(request, DEMO_TOKENS.full));
  };

  test('find an id written as a string', async () => {
    expect(await spoiled((json) => json.replace(/"transfer_id":(\d+)/, '"transfer_id":"$1"'))).toEqual([
      'body/data/transfer_id must be integer',
      'transfer_id is "9007199254740993", not a bare int64',
    ]);
  });

  test('find an id beyond 64 bits', async () => {
    expect(await spoiled((json) => json.replace('9223372036854775807', '9223372036854775808'))).toEqual([
      'transfer_backfill_id is 9223372036854775808, not a bare int64',
    ]);
  });

  test('find a field that is missing', async () => {
    expect(await spoiled((json) => json.replace(/"created_time":"[^"]*",/, ''))).toEqual([
      "body/data must have required property 'created_time'",
    ]);
  });

  test('find the one time that the demo world writes in another form on purpose', async () => {
    const odd = { ...request, path: `/teams/${DEMO_TEAM_ID}/backfills/${DEMO_BACKFILL_IDS.oddTime}` };
    const problems = contractProblems('getBackfillById', await ask(odd, DEMO_TOKENS.full));
    expect(problems).toEqual([expect.stringContaining('body/data/start_time must match pattern')]);
  });
});
