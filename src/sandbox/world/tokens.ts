/** Credentials that every sandbox knows; the demo and its documentation use them. */
export const DEMO_TOKENS = {
  full: 'sandbox-full',
  viewer: 'sandbox-viewer',
  noAccess: 'sandbox-noaccess',
  exhausted: 'sandbox-exhausted',
  rowQuota: 'sandbox-rowquota',
} as const;

export interface TokenGrant {
  /** Ids of the teams that the token may act for, or every team of the world. */
  readonly teams: readonly string[] | 'all';
  readonly permissions: 'edit' | 'view' | 'none';
  /** Every call is refused with 429: the hour's calls (`rate`) or the plan's rows (`rows`) are used up. */
  readonly limit?: 'rate' | 'rows';
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
  ];
}
