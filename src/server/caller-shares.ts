import { STREAMS } from '../graphql/live/backfill-updates.ts';
import type { Limit, RefusalScope } from '../metric-labels.ts';
import { createShares, type Shares, type SharesState, type ShareSize } from '../shares.ts';
import { REQUESTS_UNDER_WAY } from './load-shedding.ts';
import { UNSENT_ANSWERS } from './plugins/answer-bytes.ts';
import { BODIES_TOGETHER } from './request-bodies.ts';
import { SOCKETS } from './websocket.ts';

/** What each caller has a share of, and how the metrics call it. */
const SHARED = {
  underWay: { size: REQUESTS_UNDER_WAY, limit: 'requests' },
  bodies: { size: BODIES_TOGETHER, limit: 'bodies' },
  streams: { size: STREAMS, limit: 'streams' },
  sockets: { size: SOCKETS, limit: 'sockets' },
  unsentAnswers: { size: UNSENT_ANSWERS, limit: 'answers' },
} satisfies Readonly<Record<string, { readonly size: ShareSize; readonly limit: Limit }>>;

type Shared = keyof typeof SHARED;

/** How much there is of some of it, where that is not the usual. */
export type ShareTotals = Partial<Record<Shared, number>>;

export type CallerShares = Readonly<Record<Shared, Shares>>;

export type CallerSharesState = Readonly<Record<Shared, SharesState>>;

/** @param onRefused called for each request for more than the caller's share */
export function createCallerShares(
  isAccepted: (caller: string) => boolean,
  onRefused: (limit: Limit, scope: RefusalScope) => void,
  totals: ShareTotals = {},
): CallerShares {
  return ofEach((what) => {
    const { size, limit } = SHARED[what];
    const total = totals[what] ?? size.total;
    return createShares({ ...size, total }, isAccepted, (scope) => onRefused(limit, scope));
  });
}

export function statesOf(shares: CallerShares): CallerSharesState {
  return ofEach((what) => shares[what].state());
}

function ofEach<Value>(of: (what: Shared) => Value): Record<Shared, Value> {
  return {
    underWay: of('underWay'),
    bodies: of('bodies'),
    streams: of('streams'),
    sockets: of('sockets'),
    unsentAnswers: of('unsentAnswers'),
  };
}
