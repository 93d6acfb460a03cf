import type { IncomingMessage, RequestListener } from 'node:http';
import { isIPv6 } from 'node:net';
import { badRequest } from '../graphql/errors.ts';
import type { Metrics } from '../metrics.ts';
import { answerEmpty, turnAway } from './refusals.ts';

/** A reason to turn a request away before anything is done for it. */
export interface Fault {
  readonly status: 400 | 404 | 405 | 417;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const GRAPHQL: ReadonlySet<string> = new Set(['/graphql']);

const NO_HOST: Fault = { status: 400, message: 'The request names no host, or something that is none.' };
const NO_EXPECTATION: Fault = { status: 417, message: 'The only expectation that is met is "100-continue".' };
const ALLOW_GRAPHQL = { Allow: 'GET, POST, OPTIONS' };
const NOT_FOR_GRAPHQL: Fault = {
  status: 405,
  message: 'GraphQL is asked by POST, and queries by GET too.',
  headers: ALLOW_GRAPHQL,
};
const NOT_FOR_OTHERS: Fault = {
  status: 405,
  message: 'This path answers GET and HEAD. GraphQL is at /graphql.',
  headers: { Allow: 'GET, HEAD' },
};

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
    const fault = faultOf(request, paths) ?? faultOfMethod(request);
    if (fault !== undefined) {
      turnAway(request, response, fault.status, badRequest(fault.message), metrics, fault.headers);
    } else if (request.method === 'OPTIONS') {
      answerEmpty(request, response, ALLOW_GRAPHQL);
      metrics.recordRequest(204, 0);
    } else {
      handle(request, response);
    }
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

/** Of a request whose target is one. `Expect` stands here too, since Node has met the only one that it knows. */
function faultOfMethod({ method, url, headers: { expect } }: IncomingMessage): Fault | undefined {
  if (expect !== undefined && !/^100-continue$/i.test(expect)) return NO_EXPECTATION;
  if (url?.startsWith('/graphql') === true) {
    return method === 'POST' || method === 'GET' || method === 'OPTIONS' ? undefined : NOT_FOR_GRAPHQL;
  }
  return method === 'GET' || method === 'HEAD' ? undefined : NOT_FOR_OTHERS;
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
