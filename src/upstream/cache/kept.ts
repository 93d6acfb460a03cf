import type { ResourceId } from '../../ids.ts';
import { UpstreamError } from '../errors.ts';
import type { BackfillSnapshot, Moments } from './snapshots.ts';
import type { TeamList } from './team-list.ts';

/** A backfill is kept once, so what is read by id, as the latest one, from the list and by a stream cannot differ. */
export interface KeptBackfill extends Moments {
  readonly kind: 'backfill';
  /** The 404 stands for "there is none". */
  readonly outcome: BackfillSnapshot | UpstreamError;
}

/** Which backfill is the latest of a transfer. */
export interface KeptLatest extends Moments {
  readonly kind: 'latest';
  /** The 404 stands for "there is none". */
  readonly backfill: ResourceId | UpstreamError;
  /** When an answer last named it, the list's included. Monotonic milliseconds. */
  readonly namedAt: number;
}

export type Kept = KeptBackfill | KeptLatest | TeamList;

// Bytes of memory, measured on the heap of Node 20 and rounded up; test/upstream/cache/bytes.test.ts holds them to it.
const PER_ENTRY = 400;
const PER_RECORD = 1_000;
const PER_ROW_OF_REPORT = 160;
const PER_ID = 100;

/** The memory that an entry takes, in bytes. */
export function weigh(entry: Kept): number {
  return PER_ENTRY + beyondEntry(entry);
}

function beyondEntry(entry: Kept): number {
  switch (entry.kind) {
    case 'list':
      return entry.ids.size * PER_ID;
    case 'latest':
      return entry.backfill instanceof UpstreamError ? weightOfError(entry.backfill) : 0;
    case 'backfill':
      return entry.outcome instanceof UpstreamError
        ? weightOfError(entry.outcome)
        : PER_RECORD + weightOfReport(entry.outcome);
  }
}

function weightOfReport({ record }: BackfillSnapshot): number {
  let weight = 0;
  // A text may take two bytes a character.
  for (const { error } of record.error_report) weight += PER_ROW_OF_REPORT + 2 * error.length;
  return weight;
}

function weightOfError({ message, details }: UpstreamError): number {
  return PER_RECORD + 2 * (message.length + (details?.description?.length ?? 0));
}
