import { UpstreamError, type UpstreamErrorKind } from '../errors.ts';
import type { Showed } from './circuits.ts';
import { type HttpResponse, isNoConnection } from './http.ts';

/** How one try of a call ended. */
export type Outcome = HttpResponse | UpstreamError;

/** Bad Gateway and its like. */
const AWAY: ReadonlySet<number> = new Set([502, 503, 504]);

/** What an outcome shows about the upstream. */
export function shownBy(outcome: Outcome | undefined): Showed {
  if (outcome === undefined) return 'trouble';
  if (!(outcome instanceof UpstreamError)) return outcome.status >= 500 ? 'trouble' : 'good';
  if (isNoConnection(outcome)) return 'noConnection';
  return outcome.subject === 'upstream' ? 'trouble' : 'good';
}

export function isGood(outcome: Outcome): boolean {
  return shownBy(outcome) === 'good';
}

/** A response that says when to come back is believed. A timeout has used up the deadline. */
export function isWorthARetry(outcome: Outcome): boolean {
  if (outcome instanceof UpstreamError) return outcome.kind === 'unavailable';
  return AWAY.has(outcome.status) && outcome.headers['retry-after'] === undefined;
}

export function kindOf(outcome: Outcome): UpstreamErrorKind {
  if (outcome instanceof UpstreamError) return outcome.kind;
  return AWAY.has(outcome.status) ? 'unavailable' : 'failed';
}
