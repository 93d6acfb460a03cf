import type { Failure } from './answers.ts';
import type { RowState } from './row-state.ts';
import { count, counted, duration } from './words.ts';

/** What the page as a whole suffers from, worst first. */
export type Weather =
  | { readonly kind: 'unreachable' }
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'limited'; readonly stale: number }
  | { readonly kind: 'failing'; readonly code: string; readonly failed: number; readonly stale: number }
  | { readonly kind: 'stale'; readonly stale: number }
  | { readonly kind: 'waiting' }
  | { readonly kind: 'fair' };

const REFUSALS: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'FORBIDDEN']);
const LIMITS: ReadonlySet<string> = new Set(['RATE_LIMITED', 'QUOTA_EXCEEDED']);

/**
 * @param states of all rows on view
 * @param failures of the stream and of whole queries
 * @param isWaiting whether an answer has been awaited for longer than usual
 */
export function weatherOf(
  states: readonly RowState[],
  failures: readonly Failure[],
  isWaiting: boolean,
): Weather {
  const failedRows = states.flatMap((state) => (state.kind === 'failed' ? [state.failure] : []));
  const all = [...failures, ...failedRows];
  const stale = states.filter(({ kind }) => kind === 'stale').length;
  const worst = (codes: ReadonlySet<string>): Failure | undefined => all.find(({ code }) => codes.has(code));
  if (all.some(({ code }) => code === 'UNREACHABLE')) return { kind: 'unreachable' };
  const refusal = worst(REFUSALS);
  if (refusal !== undefined) return { kind: 'refused', code: refusal.code };
  if (worst(LIMITS) !== undefined) return { kind: 'limited', stale };
  const [first] = all;
  if (first !== undefined) return { kind: 'failing', code: first.code, failed: failedRows.length, stale };
  if (stale > 0) return { kind: 'stale', stale };
  return { kind: isWaiting ? 'waiting' : 'fair' };
}

/** A title and a sentence for people. The title changes only with the kind and the code. */
export function sayWeather(weather: Weather, gateOpensInMs: number): readonly [title: string, text: string] {
  switch (weather.kind) {
    case 'unreachable':
      return ['The gateway does not answer', 'The page keeps what it has and goes on asking.'];
    case 'refused':
      return [
        `Refused: ${weather.code}`,
        'What the token was shown before is gone. The refusal is remembered for up to a minute.',
      ];
    case 'limited':
      return [
        'Out of quota: the gate is closed',
        `${gateOpensInMs > 0 ? `No call is made for another ${duration(gateOpensInMs)}.` : 'The gateway tries again now.'} ${
          weather.stale > 0 ? `${rows(weather.stale)} the last known state.` : ''
        }`,
      ];
    case 'failing':
      return [
        weather.code === 'UPSTREAM_INVALID_RESPONSE' && weather.failed > 0
          ? `${counted(weather.failed, 'row')} cannot be read: ${weather.code}`
          : `The REST API is in trouble: ${weather.code}`,
        weather.stale > 0
          ? `${rows(weather.stale)} the last known state.`
          : 'The other rows are not affected.',
      ];
    case 'stale':
      return [
        'Stale: the REST API does not answer as it should',
        `${rows(weather.stale)} the last known state, and how old it is.`,
      ];
    case 'waiting':
      return [
        'The REST API is slow',
        'The gateway waits for it, and answers the last known state after 3 s.',
      ];
    case 'fair':
      return ['All is well', 'No row is stale, failed or refused.'];
  }
}

function rows(number: number): string {
  return number === 1 ? 'One row shows' : `${count(number)} rows show`;
}
