import type { ResourceId } from '../../ids.ts';
import type { HttpResponse } from '../transport/http.ts';
import { invalidResponse } from './envelope.ts';
import { type BackfillRecord, faultsIn, readRecord } from './records.ts';

/** The incomplete backfills of a team, newest first. */
export interface IncompleteBackfills {
  readonly records: readonly BackfillRecord[];
  /** Whether the list is complete: the REST API lists at most 100, and rows that make no sense are left out. */
  readonly isWhole: boolean;
}

/** maxItems of the list in the OpenAPI document. */
const LIST_LIMIT = 100;

/** A row that makes no sense costs itself only. Lists have come wrapped once more, as `items`. */
export function readList(
  data: unknown,
  response: HttpResponse,
  secrets: readonly string[],
): IncompleteBackfills & { readonly faults: string | undefined } {
  const list: unknown = typeof data === 'object' && data !== null && 'items' in data ? data.items : data;
  if (!Array.isArray(list)) throw invalidResponse(response, 'not a list of backfills', secrets);
  const records: BackfillRecord[] = [];
  let faults: string | undefined;
  for (const item of list as readonly unknown[]) {
    const record = readRecord(item);
    if (record === undefined) faults ??= faultsIn(item);
    else records.push(record);
  }
  return { records, isWhole: list.length < LIST_LIMIT && faults === undefined, faults };
}

/** @throws {UpstreamError} `invalidResponse` when it is no backfill, or not the one that was asked for */
export function readBackfill(
  data: unknown,
  key: 'transfer_backfill_id' | 'transfer_id',
  asked: ResourceId,
  response: HttpResponse,
  secrets: readonly string[],
): BackfillRecord {
  const record = readRecord(data);
  if (record === undefined) throw invalidResponse(response, `not a backfill: ${faultsIn(data)}`, secrets);
  if (record[key] !== asked) throw invalidResponse(response, `${key} is not the one asked for`, secrets);
  return record;
}
