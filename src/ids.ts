/**
 * An id of a team, transfer, backfill or user as the REST API defines it: int64 from 1 to 9223372036854775807,
 * kept as its decimal digits because JavaScript numbers are exact only up to 2^53.
 */
export type ResourceId = string & { readonly [int64]: true };

declare const int64: unique symbol;

export const RESOURCE_ID_RULE = 'a whole number from 1 to 9223372036854775807, without sign or leading zeros';

const DIGITS = /^[1-9][0-9]{0,18}$/;
const GREATEST = '9223372036854775807';

export function isResourceId(text: string): text is ResourceId {
  return DIGITS.test(text) && (text.length < GREATEST.length || text <= GREATEST);
}
