import { isSafeNumber, parse as parseLossless } from 'lossless-json';

// Only a run of 16 digits can be an integer beyond 2^53, so nearly all bodies take the engine's own parser.
const MAYBE_UNSAFE = /\d{16}/;

/**
 * Parses JSON without rounding: a number that a JavaScript number cannot hold comes back as the string of its digits.
 * @throws {SyntaxError} when the text is not JSON.
 */
export function parseJson(text: string): unknown {
  if (!MAYBE_UNSAFE.test(text)) return JSON.parse(text);
  return parseLossless(text, undefined, {
    parseNumber: (digits) => (isSafeNumber(digits) ? Number(digits) : digits),
    // The last one counts, as in the engine's parser.
    onDuplicateKey: ({ newValue }) => newValue,
  });
}
