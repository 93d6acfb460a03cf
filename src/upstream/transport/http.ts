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
   * One GET of a path below the base URL. A redirect is a response like any other; bodies are limited to 1 MiB.
   * @param timeoutMs from the call to the last byte of the response, waiting for a connection included
   * @throws {UpstreamError} `timeout`, `unavailable` or `invalidResponse`; any status that arrives is a response
   */
  get(path: string, headers: Readonly<Record<string, string>>, timeoutMs: number): Promise<HttpResponse>;
  /** Shortens the deadline of each call in flight to this many milliseconds from now; never extends it. */
  shortenDeadlines(timeoutMs: number): void;
  close(): Promise<void>;
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

  const inFlight = new Set<ResponseCollector>();

  return {
    get: (path, headers, timeoutMs) =>
      new Promise((resolve, reject) => {
        const collector = new ResponseCollector(timeoutMs, inFlight, resolve, reject);
        pool.dispatch({ method: 'GET', path: prefix + path, headers }, collector);
      }),
    shortenDeadlines(timeoutMs) {
      for (const collector of inFlight) collector.shortenDeadline(timeoutMs);
    },
    close: () => pool.destroy(),
  };
}

/**
 * Collects one response. Undici's own `request` hands out a stream and heeds an AbortSignal for each call; reading
 * through the dispatch interface needs neither.
 */
class ResponseCollector implements Dispatcher.DispatchHandler {
  readonly #inFlight: Set<ResponseCollector>;
  readonly #resolve: (response: HttpResponse) => void;
  readonly #reject: (error: UpstreamError) => void;
  readonly #chunks: Buffer[] = [];
  #endsAt = Infinity;
  #deadline: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #timeout: UpstreamError | undefined;
  #status = 0;
  #headers: IncomingHttpHeaders = {};

  /** @param inFlight holds the collector until its response has arrived, failed or timed out */
  constructor(
    timeoutMs: number,
    inFlight: Set<ResponseCollector>,
    resolve: (response: HttpResponse) => void,
    reject: (error: UpstreamError) => void,
  ) {
    this.#inFlight = inFlight.add(this);
    this.#resolve = resolve;
    this.#reject = reject;
    this.shortenDeadline(timeoutMs);
  }

  shortenDeadline(timeoutMs: number): void {
    const endsAt = performance.now() + timeoutMs;
    if (endsAt >= this.#endsAt) return;
    clearTimeout(this.#deadline);
    this.#endsAt = endsAt;
    this.#deadline = setTimeout(() => {
      this.#timeout = new UpstreamError('timeout', 'no answer in time');
      this.#inFlight.delete(this);
      this.#reject(this.#timeout);
      this.#controller?.abort(this.#timeout);
    }, timeoutMs);
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#inFlight.delete(this);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The deadline passed while the request waited for a connection, so it need not be sent any more.
    if (this.#timeout !== undefined) controller.abort(this.#timeout);
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
