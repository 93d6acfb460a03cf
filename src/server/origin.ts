/**
 * Whether a page of this origin may open a WebSocket whose credential came by header. Browsers let any page open a
 * WebSocket to anywhere, and cannot set headers there. So somebody else put the credential in, as a proxy does that
 * knows its users by cookies, and it must not serve the pages of others.
 * @param origin the header `Origin`; clients other than browsers send none
 * @param host the header `Host`
 * @param listed the origins of `CORS_ORIGINS`
 */
export function isOwnOrigin(
  origin: string | undefined,
  host: string | undefined,
  listed: readonly string[],
): boolean {
  if (origin === undefined || listed.includes(origin) || listed.includes('*')) return true;
  // The scheme cannot be compared: the gateway does not know whether a proxy speaks TLS for it.
  return /^https?:\/\//.test(origin) && URL.canParse(origin) && new URL(origin).host === host?.toLowerCase();
}
