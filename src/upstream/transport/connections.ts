import type { LookupFunction, Socket } from 'node:net';
import { type buildConnector, Client, type Dispatcher, EnvHttpProxyAgent, errors, Pool } from 'undici';
import type { Span } from '../../tracing/span.ts';

/** The proxies of the environment. An empty text stands for none. */
export interface ProxySettings {
  /** URL of the proxy for an http upstream, and for an https one where that has none of its own. */
  readonly http: string;
  /** URL of the proxy for an https upstream. */
  readonly https: string;
  /** Hosts that are reached without a proxy, separated by commas; `*` for all. */
  readonly none: string;
}

export interface ConnectionSettings {
  /** Origin of the upstream. */
  readonly origin: string;
  /** The most connections that are kept. */
  readonly maxConnections: number;
  /** How long a connection may take to be made, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** None by default. */
  readonly proxies?: ProxySettings | undefined;
  /** The greatest age at which a connection takes an exchange, in milliseconds. */
  readonly maxAgeMs?: number | undefined;
  /** Resolves names; the system's by default. */
  readonly lookup?: LookupFunction | undefined;
}

/** A handler that is told which connection carries its request. */
export interface CarriedHandler extends Dispatcher.DispatchHandler {
  /** Of the call; only where traces are made. */
  readonly span?: Span | undefined;
  assignTo(connection: Connection): void;
}

export interface Connections {
  /** Sends the request over a connection that is kept, or over a new one. */
  dispatch(request: OutgoingRequest, handler: CarriedHandler): void;
  /**
   * Sends the request over a connection of its own.
   * @returns a function that ends this connection
   */
  dispatchAlone(request: OutgoingRequest, handler: CarriedHandler): () => void;
  close(): Promise<void>;
}

/** A GET, or a write. */
export interface OutgoingRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly write?: { readonly method: 'POST' | 'PATCH'; readonly body: string } | undefined;
}

/** Addresses change, and only a new connection asks for them. */
const MAX_AGE_MS = 30_000;
/** The least age as a share of the greatest. Connections that were made together do not all end together. */
const MIN_AGE_SHARE = 0.7;
/** A connection ends a little before its greatest age, since timers are late on a busy machine. */
const MAX_AGE_SHARE = 0.95;

type ConnectionOptions = Omit<Client.Options, 'connect'> & { readonly connect: buildConnector.connector };

interface CarriedOptions extends Dispatcher.DispatchOptions {
  readonly carried: CarriedHandler;
}

/** One connection after another to the same origin, each for a limited time. */
export class Connection extends Client {
  readonly #line: { socket: Socket | undefined };
  readonly #maxAgeMs: number;
  #exchanges = 0;
  #isBusy = false;
  #isOld = false;
  #oldAge: NodeJS.Timeout | undefined;

  constructor(origin: URL, options: ConnectionOptions, maxAgeMs: number) {
    const line: { socket: Socket | undefined } = { socket: undefined };
    super(origin, {
      ...options,
      connect: (to, done) => {
        options.connect(to, (...[error, socket]) => {
          if (error === null) {
            line.socket = socket;
            done(null, socket);
          } else done(aboutConnection(error), null);
        });
      },
    });
    this.#line = line;
    this.#maxAgeMs = maxAgeMs;
    this.on('connect', () => this.#begin());
    this.on('disconnect', () => clearTimeout(this.#oldAge));
  }

  /** Called when a request is written. Says whether the connection has carried one before. */
  exchangeBegan(): { readonly isReused: boolean } {
    this.#isBusy = true;
    return { isReused: this.#exchanges++ > 0 };
  }

  /** Called when the response has been read. */
  exchangeEnded(): void {
    this.#isBusy = false;
    if (this.#isOld) this.#line.socket?.destroy();
  }

  override dispatch(options: Dispatcher.DispatchOptions, handler: Dispatcher.DispatchHandler): boolean {
    const { carried } = options as CarriedOptions;
    carried.assignTo(this);
    // Here the request is made, also where it has waited for a connection, in nobody's context or in another's.
    return carried.span === undefined
      ? super.dispatch(options, handler)
      : carried.span.send(() => super.dispatch(options, handler));
  }

  #begin(): void {
    this.#exchanges = 0;
    this.#isBusy = false;
    this.#isOld = false;
    const share = MIN_AGE_SHARE + (MAX_AGE_SHARE - MIN_AGE_SHARE) * Math.random();
    this.#oldAge = setTimeout(() => {
      this.#isOld = true;
      // A request that waits for this connection is sent over the next one.
      if (!this.#isBusy) this.#line.socket?.destroy();
    }, this.#maxAgeMs * share).unref();
  }
}

/**
 * A failed connection as an error that is about the connection. Where a proxy hangs up, undici's own error makes undici
 * connect again without end; where it answers with something else than HTTP, that is no response of the upstream's.
 */
function aboutConnection(error: Error): Error {
  const isAboutExchange =
    error instanceof errors.SocketError ||
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError;
  return isAboutExchange ? new Error('the proxy makes no connection', { cause: error }) : error;
}

/** Connections to one origin, through the proxy of the environment where there is one for it. */
export function createConnections(settings: ConnectionSettings): Connections {
  const { origin } = settings;
  const alone = new Set<Dispatcher>();
  const kept = open(settings, settings.maxConnections);

  return {
    dispatch(request, handler) {
      send(kept, origin, request, handler);
    },
    dispatchAlone(request, handler) {
      const one = open(settings, 1);
      alone.add(one);
      send(one, origin, request, handler);
      return () => {
        if (alone.delete(one)) void one.close();
      };
    },
    async close() {
      const all = [kept, ...alone];
      alone.clear();
      await Promise.all(all.map((one) => one.destroy()));
    },
  };
}

function send(to: Dispatcher, origin: string, request: OutgoingRequest, handler: CarriedHandler): void {
  const { path, headers, write } = request;
  const { method = 'GET', body = null } = write ?? {};
  const options: CarriedOptions = { method, origin, path, headers, body, carried: handler };
  to.dispatch(options, handler);
}

function open(settings: ConnectionSettings, connections: number): Dispatcher {
  const { origin, connectTimeoutMs, proxies, maxAgeMs = MAX_AGE_MS, lookup } = settings;
  const options = {
    connections,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    // The one deadline of a call covers these phases too.
    headersTimeout: 0,
    bodyTimeout: 0,
    connectTimeout: connectTimeoutMs,
  };
  const connection = (to: URL, given: object): Connection =>
    new Connection(to, given as ConnectionOptions, maxAgeMs);

  if (proxies === undefined || (proxies.http === '' && proxies.https === '')) {
    return new Pool(origin, {
      ...options,
      ...(lookup === undefined ? {} : { connect: { lookup } }),
      factory: connection,
    });
  }
  return new EnvHttpProxyAgent({
    ...options,
    httpProxy: proxies.http,
    httpsProxy: proxies.https,
    noProxy: proxies.none,
    proxyTls: { timeout: connectTimeoutMs },
    factory: (to: string | URL, given: object) =>
      new Pool(to, {
        ...given,
        factory: (origin: URL, last: object) =>
          connection(origin, withTimeLimit(last as ConnectionOptions, connectTimeoutMs)),
      }),
  });
}

/** A proxy that takes the connection and never answers would else hold it for five minutes. */
function withTimeLimit(options: ConnectionOptions, timeoutMs: number): ConnectionOptions {
  return {
    ...options,
    connect: (to, done) => {
      const limited = { ...to, signal: AbortSignal.timeout(timeoutMs) };
      options.connect(limited, done);
    },
  };
}
