import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, errors, Pool } from 'undici';
import { UpstreamError } from '../errors.ts';

/** An HTTP response as it came, its body read whole. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface HttpClientOptions {
  /** Base URL of the REST API, without a trailing slash. */
  readonly baseUrl: URL;
  /** The most connections at once. */
  readonly maxConnections: number;
  /** How long a connection may take to be made, in milliseconds. */
  readonly connectTimeoutMs: number;
}

export interface HttpClient {
  /**
   * Begins one GET of a path below the base URL. A redirect is a response like any other; bodies are limited to 1 MiB.
   * @param timeoutMs from now to the last byte of the response, waiting for a connection included
   */
  begin(path: string, headers: Readonly<Record<string, string>>, timeoutMs: number): HttpExchange;
  close(): Promise<void>;
}

export interface HttpExchange {
  /**
   * Any status that arrives is a response. Rejects with an {@link UpstreamError}: `timeout`, `unavailable` or
   * `invalidResponse`.
   */
  readonly response: Promise<HttpResponse>;
  /** Moves the deadline to this many milliseconds from now, unless it is earlier. */
  shortenDeadline(timeoutMs: number): void;
  /** Gives the exchange up. Its response rejects with the reason, if it has not arrived. */
  abort(reason: UpstreamError): void;
}

const MAX_BODY_BYTES = 1024 * 1024;

export function createHttpClient({
  baseUrl,
  maxConnections,
  connectTimeoutMs,
}: HttpClientOptions): HttpClient {
  const pool = new Pool(baseUrl.origin, {
    connections: maxConnections,
    pipelining: 1,
    keepAliveTimeout: 30_000,
    maxResponseSize: MAX_BODY_BYTES,
    // The one deadline of a call covers these phases too.
    headersTimeout: 0,
    bodyTimeout: 0,
    connectTimeout: connectTimeoutMs,
  });
  const prefix = baseUrl.pathname.replace(/\/$/, '');

  return {
    begin(path, headers, timeoutMs) {
      const collector = new ResponseCollector(timeoutMs);
      pool.dispatch({ method: 'GET', path: prefix + path, headers }, collector);
      return collector;
    },
    close: () => pool.destroy(),
  };
}

/**
 * Collects one response. Undici's own `request` hands out a stream and heeds an AbortSignal for each call; reading
 * through the dispatch interface needs neither.
 */
class ResponseCollector implements Dispatcher.DispatchHandler, HttpExchange {
  readonly response: Promise<HttpResponse>;
  #resolve: (response: HttpResponse) => void = () => undefined;
  #reject: (error: UpstreamError) => void = () => undefined;
  readonly #chunks: Buffer[] = [];
  #endsAt = Infinity;
  #deadline: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #givenUp: UpstreamError | undefined;
  #isOver = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};

  constructor(timeoutMs: number) {
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.shortenDeadline(timeoutMs);
  }

  shortenDeadline(timeoutMs: number): void {
    const endsAt = performance.now() + timeoutMs;
    if (this.#isOver || endsAt >= this.#endsAt) return;
    clearTimeout(this.#deadline);
    this.#endsAt = endsAt;
    const giveUp = (): void => this.abort(new UpstreamError('timeout', 'no answer in time'));
    this.#deadline = setTimeout(giveUp, timeoutMs);
  }

  abort(reason: UpstreamError): void {
    if (this.#isOver) return;
    this.#end();
    this.#givenUp = reason;
    this.#reject(reason);
    this.#controller?.abort(reason);
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#isOver = true;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // It was given up while the request waited for a connection, so it need not be sent any more.
    if (this.#givenUp !== undefined) controller.abort(this.#givenUp);
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    this.#end();
    const [first] = this.#chunks;
    const body = first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#resolve({ status: this.#status, headers: this.#headers, text: body.toString('utf8') });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#end();
    this.#reject(toUpstreamError(error));
  }
}

const CONNECTING: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'UND_ERR_CONNECT_TIMEOUT',
  // A certificate that is not trusted.
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  // A proxy that cannot be had.
  'UND_ERR_PRX_TLS',
]);

/** Whether there was no connection at all, as opposed to one that broke. */
export function isNoConnection({ cause }: UpstreamError): boolean {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  return CONNECTING.has(code) || /^(?:ERR_TLS|ERR_SSL|CERT)_/.test(code);
}

function toUpstreamError(error: Error): UpstreamError {
  if (error instanceof UpstreamError) return error;
  if (error instanceof errors.ResponseExceededMaxSizeError) {
    return new UpstreamError('invalidResponse', `the body exceeds ${MAX_BODY_BYTES} bytes`, { cause: error });
  }
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new UpstreamError('invalidResponse', 'the response is not HTTP', { cause: error });
  }
  return new UpstreamError('unavailable', 'no connection', { cause: error });
}
