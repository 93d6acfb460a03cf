/** The values that labels of metrics may have, where they are known beforehand. Their series exist from the start, with 0. */

/**
 * How a read was answered. `hit`: no call was made for it. `miss`: it made a call. `shared`: it joined a read that made
 * one. `list`: the call for the team's list that another read made served it too. `stale`: it got a value older than it
 * should be. `refused`: it failed, and no call was made for it.
 */
export const READ_RESULTS = ['hit', 'miss', 'shared', 'list', 'stale', 'refused'] as const;
export type ReadResult = (typeof READ_RESULTS)[number];

/**
 * What an HTTP exchange with the REST API was made for. `refresh`: to renew something before its lifetime ends. `poll`:
 * for streams. `retry`: as the second or a later one of a call. `read`, `list` and `write`: for an operation.
 */
export const CALL_CAUSES = ['read', 'list', 'refresh', 'poll', 'retry', 'write'] as const;
export type CallCause = (typeof CALL_CAUSES)[number];

/** A limit of the gateway that turns requests, operations, streams or calls away. */
export const LIMITS = [
  'requests',
  'bodies',
  'answers',
  'streams',
  'sockets',
  'socket_operations',
  'event_loop',
  'upstream_slots',
  'operation',
] as const;
export type Limit = (typeof LIMITS)[number];

/** `share`: another caller, who holds nothing, would not have been turned away. `global`: everybody would. */
export const REFUSAL_SCOPES = ['share', 'global'] as const;
export type RefusalScope = (typeof REFUSAL_SCOPES)[number];

export const TRANSPORTS = ['sse', 'websocket'] as const;
export type Transport = (typeof TRANSPORTS)[number];

/** The end of a stream: by itself, with an error, because its client left, or because the gateway stops. */
export const STREAM_ENDS = ['completed', 'failed', 'left', 'shutdown'] as const;
export type StreamEnd = (typeof STREAM_ENDS)[number];

/** The HTTP statuses of the gateway's answers. */
export const STATUSES = [200, 204, 304, 400, 403, 404, 405, 406, 408, 413, 415, 417, 500, 503] as const;
