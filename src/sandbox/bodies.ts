import { parseDate } from './world/calendar.ts';
import type { DateRange } from './world/world.ts';

export type BodyRead<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly why: string };

export function readCreateBody(text: string): BodyRead<DateRange> {
  const body = readObject(text);
  if (!body.ok) return body;
  const rangeStart = body.value.get('range_start');
  const rangeEnd = body.value.get('range_end');
  if (!isDate(rangeStart)) return bad("The field 'range_start' must be a date as YYYY-MM-DD.");
  if (!isDate(rangeEnd)) return bad("The field 'range_end' must be a date as YYYY-MM-DD.");
  return { ok: true, value: { rangeStart, rangeEnd } };
}

export function readStatusBody(text: string): BodyRead<'CANCELLED'> {
  const body = readObject(text);
  if (!body.ok) return body;
  if (body.value.get('status') !== 'CANCELLED') return bad("The field 'status' must be 'CANCELLED'.");
  return { ok: true, value: 'CANCELLED' };
}

function readObject(text: string): BodyRead<ReadonlyMap<string, unknown>> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return bad('The body is not JSON.');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return bad('The body must be a JSON object.');
  }
  return { ok: true, value: new Map<string, unknown>(Object.entries(body)) };
}

function isDate(value: unknown): value is string {
  return typeof value === 'string' && parseDate(value) !== undefined;
}

function bad(why: string): { readonly ok: false; readonly why: string } {
  return { ok: false, why };
}
