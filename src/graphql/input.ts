import { isResourceId, RESOURCE_ID_RULE, type ResourceId } from '../ids.ts';
import { badUserInput } from './errors.ts';

/**
 * @param what where the text came from, to begin the sentence with: `The argument "id"`
 * @throws {GraphQLError} `BAD_USER_INPUT` naming what is malformed and what would be right
 */
export function resourceId(text: string, what: string): ResourceId {
  if (isResourceId(text)) return text;
  throw badUserInput(`${what} must be ${RESOURCE_ID_RULE}; got ${quote(text)}.`);
}

/** @throws {GraphQLError} `BAD_USER_INPUT` naming every place that is malformed, or the limit exceeded */
export function resourceIds(texts: readonly string[], what: string, max: number): readonly ResourceId[] {
  if (texts.length > max) throw badUserInput(`${what} takes at most ${max} ids; got ${texts.length}.`);
  const faults = texts.flatMap((text, index) =>
    isResourceId(text) ? [] : [`${quote(text)} at index ${index}`],
  );
  if (faults.length > 0)
    throw badUserInput(`Each id in ${what} must be ${RESOURCE_ID_RULE}; got ${faults.join(', ')}.`);
  return texts.filter(isResourceId);
}

/** Long or unprintable input is shown only as far as it helps to find it. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
