import { isResourceId, RESOURCE_ID_RULE, type ResourceId } from '../ids.ts';
import type { DateRange } from '../upstream/rest/client.ts';
import { badUserInput } from './errors.ts';

/**
 * @param what the place of the text, which begins the error message: `The argument "id"`
 * @throws {GraphQLError} `BAD_USER_INPUT` with the malformed text and the rule for ids
 */
export function resourceId(text: string, what: string): ResourceId {
  if (isResourceId(text)) return text;
  throw badUserInput(`${what} must be ${RESOURCE_ID_RULE}; got ${quote(text)}.`);
}

/**
 * @throws {GraphQLError} `BAD_USER_INPUT` where one is no date of the calendar as `YYYY-MM-DD`, or the range ends before it
 * starts
 */
export function dateRange(start: string, end: string): DateRange {
  const range = { start: date(start, 'rangeStartDate'), end: date(end, 'rangeEndDate') };
  if (range.start <= range.end) return range;
  throw badUserInput(
    `The input field "rangeEndDate" must not be before "rangeStartDate"; got ${start} to ${end}.`,
  );
}

function date(given: unknown, field: string): string {
  if (typeof given === 'string' && isDate(given)) return given;
  const shown = typeof given === 'string' ? quote(given) : 'no text';
  throw badUserInput(
    `The input field "${field}" must be a date of the calendar as YYYY-MM-DD, such as 2024-01-31; got ${shown}.`,
  );
}

function isDate(text: string): boolean {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const midnight = new Date(`${text}T00:00:00Z`);
  // The engine takes the 30th of February for a day of March.
  return !Number.isNaN(midnight.getTime()) && midnight.toISOString().startsWith(text);
}

/** @throws {GraphQLError} `BAD_USER_INPUT` with the malformed ids and their indexes, or with the exceeded `max` */
export function resourceIds(texts: readonly string[], argument: string, max: number): readonly ResourceId[] {
  if (texts.length > max) {
    throw badUserInput(`The argument "${argument}" takes at most ${max} ids; got ${texts.length}.`);
  }
  const ids = texts.filter(isResourceId);
  if (ids.length === texts.length) return ids;
  const faults = texts.flatMap((text, index) =>
    isResourceId(text) ? [] : [`${quote(text)} at index ${index}`],
  );
  const shown = faults.slice(0, MAX_SHOWN).join(', ');
  const others = faults.length > MAX_SHOWN ? ` and ${faults.length - MAX_SHOWN} more` : '';
  throw badUserInput(
    `Each id in the argument "${argument}" must be ${RESOURCE_ID_RULE}; got ${shown}${others}.`,
  );
}

const MAX_SHOWN = 10;

/** The text escaped and cut, so that an error message stays short and printable. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
