import type { Clock } from '../../clock.ts';
import { EXPLAIN_COST } from './cost-report.ts';
import type { GatewayPlugin, RequestState } from './request-state.ts';
import { SECURITY_HEADERS } from './security-headers.ts';

/**
 * Sets the request's id and how long the client may keep the answer: as long as everything in it is fresh. Answers
 * differ by credential and team, so a shared cache may not keep them at all.
 */
export function useResponseHeaders(clock: Clock, variesByOrigin: boolean): GatewayPlugin {
  const vary = variesByOrigin ? `${VARY}, Origin` : VARY;
  return {
    onResponse({ response, serverContext: { state } }) {
      response.headers.set('X-Request-Id', state.requestId);
      response.headers.set(
        'Cache-Control',
        isPage(response) ? ASK_FIRST : cacheControl(state, response.status, clock.monotonic()),
      );
      response.headers.append('Vary', vary);
      for (const [name, value] of SECURITY_HEADERS) response.headers.set(name, value);
    },
  };
}

export const VARY = `Accept, Authorization, X-Team-Id, ${EXPLAIN_COST}`;

/** The page of GraphiQL may be kept, and its tag then tells whether it is still the same. */
const ASK_FIRST = 'private, no-cache';

function isPage({ status, headers }: Response): boolean {
  return status === 200 && headers.get('content-type') === 'text/html';
}

export function cacheControl(state: RequestState, status: number, now: number): string {
  const { operation, codes, cost, mustNotBeKept } = state;
  const read =
    cost !== undefined && cost.freshUntil !== Infinity && cost.staleReads === 0 && mustNotBeKept !== true;
  if (status !== 200 || operation?.type !== 'query' || codes.size > 0 || !read) return 'no-store';
  return `private, max-age=${Math.max(0, Math.floor((cost.freshUntil - now) / 1000))}`;
}
