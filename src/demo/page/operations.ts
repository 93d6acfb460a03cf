import type { Backfill, LiveData, TransfersData } from './answers.ts';

/** The operations of the page, as they are sent and as they are shown beneath what they fill. */

const ROW = `fragment Row on Backfill {
  id
  teamId
  transfer { id teamId }
  status
  progress
  rangeStartDate
  rangeEndDate
  createdTime
  endTime
  transferRunsTotal
  transferRunsCompleted
  transferRunsFailed
  estimatedEndTime
  errorReport { transferRunDate error }
  fetchedAt
  isStale
}`;

export interface Operation<Data> {
  readonly text: string;
  /** Never there: it carries the type of the answer's data. */
  readonly data?: Data;
}

function operation<Data>(text: string): Operation<Data> {
  return { text: `${text}\n\n${ROW}` };
}

/** Over WebSocket: first all of the list, then what changed, began or left. */
export const LIVE = operation<LiveData>(
  `subscription Live {
  incompleteBackfillsUpdated { ...Row }
}`,
);

/** Of backfills that left the list while nobody watched. */
export const WHAT_BECAME = operation<{ readonly backfills: readonly (Backfill | null)[] }>(
  `query WhatBecame($ids: [ID!]!) {
  backfills(ids: $ids) { ...Row }
}`,
);

export const TRANSFERS = operation<TransfersData>(
  `query Transfers($ids: [ID!]!) {
  transfers(ids: $ids) {
    id
    teamId
    latestBackfill { ...Row }
  }
}`,
);

export const START = operation<{ readonly createBackfill: Backfill | null }>(
  `mutation Start($input: CreateBackfillInput!) {
  createBackfill(input: $input) { ...Row }
}`,
);

export const CANCEL = operation<{ readonly cancelBackfill: Backfill | null }>(
  `mutation Cancel($id: ID!) {
  cancelBackfill(id: $id) { ...Row }
}`,
);
