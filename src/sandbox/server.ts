import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { strangerAnswer } from './answers.ts';
import type { Answer } from './answers.ts';
import { bearerToken, createApi } from './api.ts';
import { createCallLog } from './calls.ts';
import type { CallInProgress, CallLog } from './calls.ts';
import { answerControl, CONTROL_PATH } from './control.ts';
import { createDemoWorld } from './world/demo-world.ts';
import { playFault } from './fault-player.ts';
import type { Exchange } from './fault-player.ts';
import { createFaultScript } from './faults.ts';
import type { FaultAnswer, FaultScript } from './faults.ts';
import { createQuota } from './quota.ts';
import { matchRoute } from './routes.ts';
import type { Route } from './routes.ts';
import { createTrouble } from './trouble.ts';
import type { Trouble, TroubleTimes } from './trouble.ts';
import { createTokenTroubles, SLOW_MS } from './token-troubles.ts';
import type { World } from './world/world.ts';

export interface SandboxOptions {
  /** 0, the default, takes any free port. */
  readonly port?: number;
  readonly host?: string;
  /** Epoch milliseconds; by default the world's clock, without a world `Date.now`. */
  readonly now?: () => number;
  /** A demo world by default. */
  readonly world?: World;
  /** Delay of every ordinary answer, in milliseconds of real time. */
  readonly latencyMs?: number;
  /** How late the answers to a slow token are, in milliseconds of real time; 4,000 by default. */
  readonly slowMs?: number;
  /** Calls per token in an hour that begins with its first call; 5,000 by default, `Infinity` for no quota. */
  readonly hourlyQuota?: number;
  readonly troubleTimes?: Partial<TroubleTimes>;
}

export interface Sandbox {
  /** The base URL of the fake API, such as `http://127.0.0.1:4010/v1`. */
  readonly url: string;
  readonly world: World;
  readonly calls: CallLog;
  readonly faults: FaultScript;
  readonly trouble: Trouble;
  /** Stops the server at once and closes all connections, answered or not. */
  close(): Promise<void>;
}

const DEFAULT_QUOTA = 5_000;
const MAX_BODY_BYTES = 64 * 1024;
/** Longer than any test of a client that reuses connections, so that none closes while idle. */
const KEEP_ALIVE_MS = 60_000;

export async function startSandbox(options: SandboxOptions = {}): Promise<Sandbox> {
  const { port = 0, host = '127.0.0.1', latencyMs = 0, hourlyQuota = DEFAULT_QUOTA } = options;
  const now = options.now ?? options.world?.now ?? Date.now;
  const world = options.world ?? createDemoWorld({ now });
  const calls = createCallLog();
  const faults = createFaultScript();
  const trouble = createTrouble(options.troubleTimes);
  const troubleOf = createTokenTroubles(options.slowMs ?? SLOW_MS);
  const api = createApi({ world, quota: createQuota({ limit: hourlyQuota, now }) });

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/', headers } = request;
    const [path = '/'] = url.split('?');
    if (path === CONTROL_PATH) return serveControl(method, request, response);
    const route = matchRoute(method, path);
    const { operation, teamId, id } = route;
    const call = calls.begin({
      operation,
      method,
      path,
      teamId,
      id,
      authorization: headers.authorization,
      requestId: one(headers['x-request-id']),
      traceparent: one(headers['traceparent']),
      headers,
      at: now(),
    });
    response.once('close', () => call.ended());

    const body = await readBody(request);
    const ordinary = (): Answer => ordinaryAnswer(route, headers.authorization, body);
    const exchange = createExchange({ response, call, now, ordinary });
    const fault =
      faults.take({ operation, teamId, id }) ?? trouble.answer() ?? troubleOfCaller(headers.authorization);
    if (fault !== undefined) return playFault(fault, exchange);
    if (latencyMs > 0) await sleep(latencyMs, undefined, { ref: false });
    exchange.send(exchange.ordinary());
  }

  async function serveControl(
    method: string,
    request: IncomingMessage,
    response: ServerResponse,
  ): Promise<void> {
    const asked = { method, origin: request.headers.origin, body: await readBody(request) };
    const { status, headers, body } = answerControl(asked, trouble, () => calls.count());
    response.writeHead(status, headers).end(body);
  }

  function troubleOfCaller(authorization: string | undefined): FaultAnswer | undefined {
    const token = bearerToken(authorization);
    const grant = token === undefined ? undefined : world.grantOf(token);
    return token === undefined || grant === undefined ? undefined : troubleOf(token, grant);
  }

  function ordinaryAnswer(route: Route, authorization: string | undefined, body: string): Answer {
    if (route.operation === 'unknown') return strangerAnswer(route.pathExists ? 405 : 404);
    return api({ route, authorization, body });
  }

  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    serve(request, response).catch((error: unknown) => {
      // The client has left, or the test's own script threw and should see its error.
      if (response.headersSent || response.destroyed) response.destroy();
      else response.writeHead(500, { 'content-type': 'text/plain' }).end(`Sandbox: ${String(error)}`);
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, resolve);
  });

  const address = server.address();
  const boundPort = typeof address === 'object' && address !== null ? address.port : port;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${boundPort}/v1`,
    world,
    calls,
    faults,
    trouble,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

interface ExchangeParts {
  readonly response: ServerResponse;
  readonly call: CallInProgress;
  readonly now: () => number;
  readonly ordinary: () => Answer;
}

function createExchange({ response, call, now, ordinary }: ExchangeParts): Exchange {
  function begin(status: number, headers: Readonly<Record<string, string>>): void {
    call.answered(status);
    response.writeHead(status, { date: new Date(now()).toUTCString(), ...headers });
  }

  return {
    response,
    ordinary,
    begin,
    send({ status, headers, body }) {
      if (response.destroyed) return;
      begin(status, { ...headers, 'content-length': String(Buffer.byteLength(body)) });
      // Ended before the client sees the answer: its next request must not count as concurrent with this one.
      call.ended();
      response.end(body);
    },
  };
}

/** The body as text; empty, and so no JSON, when it is too long. */
async function readBody(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_BODY_BYTES) chunks.push(chunk);
  }
  return size <= MAX_BODY_BYTES ? Buffer.concat(chunks).toString('utf8') : '';
}

function one(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header.join(', ') : header;
}
