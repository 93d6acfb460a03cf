/** Halves of a character that have lost the other half. */
const LONE_SURROGATE = /\p{Surrogate}/u;

/**
 * A text of the upstream as clients get it: at most `maxLength` UTF-16 units, cut between characters, and half a
 * character replaced. A router refuses a whole answer for half a character.
 */
export function shownText(text: string, maxLength: number): string {
  if (text.length > maxLength) return copied(text.slice(0, endBefore(maxLength, text)));
  return LONE_SURROGATE.test(text) ? copied(text) : text;
}

/** The end of the last whole character up to there. */
function endBefore(length: number, text: string): number {
  const last = text.charCodeAt(length - 1);
  return last >= 0xd800 && last <= 0xdbff ? length - 1 : length;
}

/**
 * The text in memory of its own, and well formed. The engine keeps a part of a larger text as a reference to the whole,
 * so a message that is kept would keep the body in which it came.
 */
function copied(text: string): string {
  return Buffer.from(text).toString();
}
