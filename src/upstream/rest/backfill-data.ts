import type { ZodError } from 'zod';
import type { ResourceId } from '../../ids.ts';
import type { HttpResponse } from '../transport/http.ts';
import { invalidResponse } from './envelope.ts';
import { type BackfillRecord, backfillRecord } from './records.ts';

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
  const parsed = list.map((item) => backfillRecord.safeParse(item));
  const records = parsed.flatMap(({ data: record }) => (record === undefined ? [] : [record]));
  const failed = parsed.find(({ success }) => !success);
  return {
    records,
    isWhole: list.length < LIST_LIMIT && failed === undefined,
    faults: failed?.error === undefined ? undefined : faultsOf(failed.error),
  };
}

/** @throws {UpstreamError} `invalidResponse` when it is no backfill, or not the one that was asked for */
export function readBackfill(
  data: unknown,
  key: 'transfer_backfill_id' | 'transfer_id',
  asked: ResourceId,
  response: HttpResponse,
  secrets: readonly string[],
): BackfillRecord {
  const parsed = backfillRecord.safeParse(data);
  if (!parsed.success) {
    throw invalidResponse(response, `not a backfill: ${faultsOf(parsed.error)}`, secrets);
  }
  if (parsed.data[key] !== asked) throw invalidResponse(response, `${key} is not the one asked for`, secrets);
  return parsed.data;
}

/** Says where the data is wrong and how, never what stood there. */
function faultsOf({ issues }: ZodError): string {
  const faults = issues.map(({ path, code }) => `${path.join('.') || 'data'}: ${code}`);
  return faults.slice(0, 5).join(', ');
}
