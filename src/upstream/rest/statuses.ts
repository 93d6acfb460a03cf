/** What a status of the REST API says about a backfill. */
export interface StatusFacts {
  /** Whether `GET /teams/{team}/backfills` lists the backfill. */
  readonly listed: boolean;
  /** Whether nothing more happens by itself, so that streams complete. */
  readonly over: boolean;
  /** Whether the record can never change again, so that it stays fresh for the final lifetime. */
  readonly final: boolean;
  /** Of two states of one backfill, the one with the greater rank is the later. */
  readonly rank: number;
}

/** The statuses of the OpenAPI document. */
export const STATUSES = {
  CREATED: { listed: true, over: false, final: false, rank: 0 },
  SCHEDULED: { listed: true, over: false, final: false, rank: 1 },
  RUNNING: { listed: true, over: false, final: false, rank: 2 },
  // It can still be cancelled, and the list of incomplete backfills holds it until then.
  FAILED: { listed: true, over: true, final: false, rank: 3 },
  COMPLETED: { listed: false, over: true, final: true, rank: 4 },
  // Runs that had begun before the cancellation still complete.
  CANCELLED: { listed: false, over: true, final: false, rank: 4 },
} as const satisfies Readonly<Record<string, StatusFacts>>;

export type KnownStatus = keyof typeof STATUSES;

function isKnown(status: string): status is KnownStatus {
  return Object.hasOwn(STATUSES, status);
}

/** Undefined for a status that this gateway does not know: nothing can be concluded from it. */
export function factsOf(status: string): StatusFacts | undefined {
  return isKnown(status) ? STATUSES[status] : undefined;
}
