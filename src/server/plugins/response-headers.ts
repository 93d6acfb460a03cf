import type { Clock } from '../../clock.ts';
import { EXPLAIN_COST } from './cost-report.ts';
import type { GatewayPlugin, RequestState } from './request-state.ts';

/**
 * Tells the client which request this was and how long it may keep the answer: as long as everything in it is fresh.
 * The answer is the caller's alone, and differs by credential and team, so a shared cache may not keep it at all.
 */
export function useResponseHeaders(clock: Clock): GatewayPlugin {
  return {
    onResponse({ response, serverContext: { state } }) {
      response.headers.set('X-Request-Id', state.requestId);
      response.headers.set('Cache-Control', cacheControl(state, response.status, clock.monotonic()));
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

function cacheControl(state: RequestState, status: number, now: number): string {
  const { operation, codes, cost, mustNotBeKept } = state;
  const read = cost !== undefined && cost.freshUntil !== Infinity && mustNotBeKept !== true;
  if (status !== 200 || operation?.type !== 'query' || codes.size > 0 || !read) return 'no-store';
  return `private, max-age=${Math.max(0, Math.floor((cost.freshUntil - now) / 1000))}`;
}
