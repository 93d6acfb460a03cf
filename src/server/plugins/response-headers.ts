import type { Clock } from '../../clock.ts';
import { EXPLAIN_COST } from './cost-report.ts';
import { type GatewayPlugin, stateOf, type RequestState } from './request-state.ts';

/**
 * Tells the client which request this was and how long it may keep the answer: as long as everything in it is fresh.
 * The answer is the caller's alone, and differs by credential and team, so a shared cache may not keep it at all.
 */
export function useResponseHeaders(clock: Clock): GatewayPlugin {
  return {
    onResponse({ request, response, serverContext }) {
      const now = clock.monotonic();
      const record = stateOf(serverContext, request, now);
      response.headers.set('X-Request-Id', record.requestId);
      response.headers.set('Cache-Control', cacheControl(record, response.status, now));
      response.headers.append('Vary', VARY);
      for (const [name, value] of SECURITY_HEADERS) response.headers.set(name, value);
    },
  };
}

const VARY = `Accept, Authorization, X-Team-Id, ${EXPLAIN_COST}`;

/** An answer is data: not to be taken for anything else, framed, or told to other sites. */
export const SECURITY_HEADERS = [
  ['Content-Security-Policy', "frame-ancestors 'none'"],
  ['Referrer-Policy', 'no-referrer'],
  ['X-Content-Type-Options', 'nosniff'],
  ['X-Frame-Options', 'DENY'],
] as const;

function cacheControl(record: RequestState, status: number, now: number): string {
  const { operation, codes, cost: tally, mustNotBeKept } = record;
  const read = tally !== undefined && tally.freshUntil !== Infinity && mustNotBeKept !== true;
  if (status !== 200 || operation?.type !== 'query' || codes.size > 0 || !read) return 'no-store';
  return `private, max-age=${Math.max(0, Math.floor((tally.freshUntil - now) / 1000))}`;
}
