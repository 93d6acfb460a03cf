/** Credentials that every sandbox knows; the demo and its documentation use them. */
export const DEMO_TOKENS = {
  full: 'sandbox-full',
  viewer: 'sandbox-viewer',
  noAccess: 'sandbox-noaccess',
  exhausted: 'sandbox-exhausted',
  rowQuota: 'sandbox-rowquota',
  slow: 'sandbox-slow',
  failing: 'sandbox-failing',
  flaky: 'sandbox-flaky',
  hanging: 'sandbox-hanging',
} as const;

/** What goes wrong on the way, whatever is asked. */
export type Trouble = 'slow' | 'failing' | 'flaky' | 'hanging';

export interface TokenGrant {
  /** Ids of the teams that the token may act for, or every team of the world. */
  readonly teams: readonly string[] | 'all';
  readonly permissions: 'edit' | 'view' | 'none';
  /** Every call is refused with 429: the hour's calls (`rate`) or the plan's rows (`rows`) are used up. */
  readonly limit?: 'rate' | 'rows';
  readonly trouble?: Trouble;
  /** The user in `created_user_id` and `removed_user_id`. */
  readonly userId?: string;
}

export function demoGrants(
  teams: TokenGrant['teams'],
  viewerTeams: TokenGrant['teams'],
): readonly (readonly [token: string, grant: TokenGrant])[] {
  return [
    [DEMO_TOKENS.full, { teams, permissions: 'edit' }],
    [DEMO_TOKENS.viewer, { teams: viewerTeams, permissions: 'view', userId: '791' }],
    [DEMO_TOKENS.noAccess, { teams, permissions: 'none' }],
    [DEMO_TOKENS.exhausted, { teams, permissions: 'edit', limit: 'rate' }],
    [DEMO_TOKENS.rowQuota, { teams, permissions: 'edit', limit: 'rows' }],
    [DEMO_TOKENS.slow, { teams, permissions: 'edit', trouble: 'slow' }],
    [DEMO_TOKENS.failing, { teams, permissions: 'edit', trouble: 'failing' }],
    [DEMO_TOKENS.flaky, { teams, permissions: 'edit', trouble: 'flaky' }],
    [DEMO_TOKENS.hanging, { teams, permissions: 'edit', trouble: 'hanging' }],
  ];
}

/** What people read of a token: what becomes of a call with it. */
export const TOKEN_MEANINGS: Readonly<Record<keyof typeof DEMO_TOKENS, string>> = {
  full: 'reads and writes',
  viewer: 'reads; 403 for a write',
  noAccess: '403',
  exhausted: '429, the hour is used up',
  rowQuota: '429, the rows are used up',
  slow: 'an answer after 4 seconds',
  failing: '500',
  flaky: '503 for every second call',
  hanging: 'no answer at all',
};
