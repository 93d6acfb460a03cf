import { isResourceId, RESOURCE_ID_RULE, type ResourceId } from '../ids.ts';
import { badUserInput } from './errors.ts';

/**
 * @param what the place of the text, which begins the error message: `The argument "id"`
 * @throws {GraphQLError} `BAD_USER_INPUT` with the malformed text and the rule for ids
 */
export function resourceId(text: string, what: string): ResourceId {
  if (isResourceId(text)) return text;
  throw badUserInput(`${what} must be ${RESOURCE_ID_RULE}; got ${quote(text)}.`);
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
