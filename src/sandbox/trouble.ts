import { envelope } from './answers.ts';
import type { FaultAnswer } from './faults.ts';
import { DEMO_TRANSFER_IDS } from './world/demo-world.ts';

/** What the API suffers from as a whole, until it is told otherwise. */
export const TROUBLES = [
  'well',
  'slow',
  'failing',
  'hanging',
  'out-of-quota',
  'forbidden',
  'unauthenticated',
  'unreadable-row',
] as const;

export type TroubleName = (typeof TROUBLES)[number];

export interface TroubleTimes {
  /** How late a slow answer is, in milliseconds. */
  readonly slowMs: number;
  /** The `Retry-After` of each 429. */
  readonly retryAfterSeconds: number;
}

/** One standing trouble for all calls. Scripted faults go before it. */
export interface Trouble {
  name: TroubleName;
  /** What a call is answered in place of the ordinary answer; undefined while all is well. */
  answer(): FaultAnswer | undefined;
}

/** Longer than the gateway lets a query wait for a fresh value, and shorter than its deadline. */
const SLOW_MS = 5_000;
/** Long enough to watch a closed gate, and short enough to see it open. */
const RETRY_AFTER_SECONDS = 20;

const [UNREADABLE_TRANSFER = ''] = DEMO_TRANSFER_IDS.running;
/** The required date of a backfill of that transfer, wherever the backfill stands in a body. */
const ITS_RANGE_START = new RegExp(`("transfer_id":${UNREADABLE_TRANSFER},"range_start_date":)"[^"]*"`, 'g');

export function createTrouble({
  slowMs = SLOW_MS,
  retryAfterSeconds = RETRY_AFTER_SECONDS,
}: Partial<TroubleTimes> = {}): Trouble {
  const answers: Readonly<Record<TroubleName, () => FaultAnswer | undefined>> = {
    well: () => undefined,
    slow: () => ({ kind: 'delay', ms: slowMs }),
    failing: () => ({
      kind: 'status',
      status: 500,
      body: envelope('INTERNAL_SERVER_ERROR', 'An unexpected error occurred.'),
    }),
    hanging: () => ({ kind: 'hang' }),
    'out-of-quota': () => ({
      kind: 'status',
      status: 429,
      headers: { 'retry-after': String(retryAfterSeconds) },
      body: envelope('TOO_MANY_REQUESTS', 'Rate limit exceeded. Retry later.'),
    }),
    forbidden: () => ({
      kind: 'status',
      status: 403,
      body: envelope('ACCESS_DENIED', 'You do not have access to this resource.'),
    }),
    unauthenticated: () => ({
      kind: 'status',
      status: 401,
      headers: { 'www-authenticate': 'Bearer' },
      body: envelope('API_KEY_INVALID', 'The API key is not valid.'),
    }),
    'unreadable-row': () => ({
      kind: 'edit',
      edit: (json) => json.replaceAll(ITS_RANGE_START, '$1"soon"'),
    }),
  };
  return {
    name: 'well',
    answer() {
      return answers[this.name]();
    },
  };
}

export function isTroubleName(value: unknown): value is TroubleName {
  return TROUBLES.some((name) => name === value);
}
