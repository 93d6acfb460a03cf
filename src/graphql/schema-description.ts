/**
 * What introspection says of the schema as a whole, and GraphiQL shows before all else. It does not stand in schema.graphql,
 * because Grafbase's composer refuses a description there.
 */
export const SCHEMA_DESCRIPTION = `Backfills of data warehouse transfers, over Supermetrics' REST API.

**Headers.** \`Authorization: Bearer …\` is forwarded to the REST API unchanged. \`X-Team-Id\` says the team; an argument
\`teamId\` wins over it. \`Cache-Control: no-cache\` reads past the cache. \`X-Explain-Cost: 1\` adds the cost in upstream
calls to the answer, and \`estimate\` asks for it without a call. \`X-Request-Id\` is forwarded, logged and answered.

**Codes.** A field that failed is null and has its error, with HTTP 200. Branch on \`extensions.code\`; \`message\` is for
people.

- Mend the request: \`BAD_USER_INPUT\`, \`UNAUTHENTICATED\`, \`FORBIDDEN\`, \`NOT_FOUND\`, \`CONFLICT\`, \`QUOTA_EXCEEDED\`,
  \`REQUEST_LIMIT_EXCEEDED\`.
- Send it again, after \`extensions.retryAfterSeconds\` where that is told: \`RATE_LIMITED\`, \`UPSTREAM_ERROR\`,
  \`UPSTREAM_UNAVAILABLE\`, \`UPSTREAM_TIMEOUT\`.
- Look before you send a mutation again: \`OUTCOME_UNKNOWN\`.
- Tell the operator, by \`extensions.requestId\`: \`UPSTREAM_INVALID_RESPONSE\`, \`INTERNAL_SERVER_ERROR\`.

**Limits.** A list of ids has at most 100. The REST API allows a credential some 5,000 calls an hour: what is known is
shared and kept for seconds, longer where calls are short. An old value has \`isStale: true\` and its old \`fetchedAt\`.
Ids are int64: send them as strings.`;
