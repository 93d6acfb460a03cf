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

/** @throws {GraphQLError} `BAD_USER_INPUT` naming the places that are malformed, or the limit that is exceeded */
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

/** Long or unprintable input is shown only as far as it helps to find it. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text);
}
