import type { IncomingMessage, RequestListener } from 'node:http';
import { isIPv6 } from 'node:net';
import { badRequest } from '../graphql/errors.ts';
import type { Metrics } from '../metrics.ts';
import { refuse } from './refusals.ts';

/** A reason to turn a request away before anything is done for it. */
export interface Fault {
  readonly status: 400 | 404;
  readonly message: string;
}

const GRAPHQL: ReadonlySet<string> = new Set(['/graphql']);

const NO_HOST: Fault = { status: 400, message: 'The request names no host, or something that is none.' };

/**
 * Refuses a request that is not for this gateway, before it costs anything.
 * @param paths nothing exists at any other path
 */
export function frontDoor(
  handle: RequestListener,
  metrics: Metrics,
  paths: ReadonlySet<string>,
): RequestListener {
  return (request, response) => {
    const fault = faultOf(request, paths);
    if (fault === undefined) {
      handle(request, response);
      return;
    }
    const error = badRequest(fault.message);
    refuse(request, response, fault.status, error);
    // Not logged: those who try out paths by the thousand would fill the log.
    metrics.recordRequest(fault.status, 0);
    metrics.recordError(String(error.extensions['code']));
  };
}

/**
 * Finds what is wrong with the target and the `Host` of a request. Both are replaced where nothing is: the target by
 * its path and query, and the host by a constant, since yoga builds a URL from it.
 */
export function faultOf(request: IncomingMessage, paths: ReadonlySet<string> = GRAPHQL): Fault | undefined {
  const { headers, httpVersion } = request;
  // HTTP/1.0 knows no `Host`.
  if (headers.host === undefined ? httpVersion !== '1.0' : !isAuthority(headers.host)) return NO_HOST;
  headers.host = 'localhost';
  // Nearly all requests.
  if (request.url === '/graphql' && paths.has('/graphql')) return undefined;

  const target = originFormOf(request.url ?? '');
  if (target === undefined) return NO_HOST;
  const [path = ''] = target.split('?', 1);
  // No path is normalised first: a proxy's rules would have seen another one.
  if (!paths.has(path)) return noPath(paths);
  // The query means something to GraphQL alone. Yoga would take `/health?/graphql` for its endpoint, by its ending.
  request.url = path === '/graphql' ? target : path;
  return undefined;
}

function noPath(paths: ReadonlySet<string>): Fault {
  const there = paths.has('/graphql') ? 'GraphQL is at /graphql' : 'The metrics are at /metrics';
  return { status: 404, message: `Nothing is at this path. ${there}.` };
}

/**
 * The path and query of a target, which proxies may send with scheme and authority before them.
 * @returns undefined where the authority is none
 */
function originFormOf(target: string): string | undefined {
  const [, authority, rest] = /^https?:\/\/([^/?#]*)(.*)$/i.exec(target) ?? [];
  if (authority === undefined || rest === undefined) return target;
  if (authority === '' || !isAuthority(authority)) return undefined;
  return rest.startsWith('/') ? rest : `/${rest}`;
}

const AUTHORITY = /^(?:\[([\da-f:.]+)\]|(?:[\w.~!$&'()*+,;=-]|%[\da-f]{2})*)(?::(\d{0,5}))?$/i;
const MAX_PORT = 65_535;

/** Whether it has the form of RFC 3986. That may be empty, and a name may have underscores, as those of Docker do. */
function isAuthority(host: string): boolean {
  const match = AUTHORITY.exec(host);
  if (match === null) return false;
  const [, address, port = ''] = match;
  return (address === undefined || isIPv6(address)) && Number(port) <= MAX_PORT;
}
