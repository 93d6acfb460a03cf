/**
 * Tells whether an origin is in a list of the setting `CORS_ORIGINS`.
 * @param origins as browsers send them; `*` is any, and `http://localhost:*` is any port of that host
 */
export function listOrigins(origins: readonly string[]): (origin: string) => boolean {
  const listed = new Set(origins);
  if (listed.has('*')) return () => true;
  return (origin) => listed.has(origin) || listed.has(`${withoutPort(origin)}:*`);
}

function withoutPort(origin: string): string {
  return origin.replace(/:\d{1,5}$/, '');
}

/**
 * Whether a page of this origin may open a WebSocket whose credential came by header. Browsers let any page open a
 * WebSocket to anywhere, and cannot set headers there. So somebody else put the credential in, as a proxy does that
 * knows its users by cookies, and it must not serve the pages of others.
 * @param origin the header `Origin`; clients other than browsers send none
 * @param host the header `Host`
 * @param isListed see {@link listOrigins}
 */
export function isOwnOrigin(
  origin: string | undefined,
  host: string | undefined,
  isListed: (origin: string) => boolean,
): boolean {
  if (origin === undefined || isListed(origin)) return true;
  // The scheme cannot be compared: the gateway does not know whether a proxy speaks TLS for it.
  return /^https?:\/\//.test(origin) && URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}
