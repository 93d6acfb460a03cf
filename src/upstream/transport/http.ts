import type { IncomingHttpHeaders } from 'node:http';
import { type Dispatcher, errors, Pool } from 'undici';
import { UpstreamError } from '../errors.ts';

/** An HTTP answer as it came, its body read whole. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface HttpClientOptions {
  /** Base URL of the REST API, without a trailing slash. */
  readonly baseUrl: URL;
  /** Most connections at once. */
  readonly maxConnections: number;
  /** How long a connection may take to be made, in milliseconds. */
  readonly connectTimeoutMs: number;
}

/** Leaves a call that is under way so many milliseconds from now, if it had more. */
export type Hurry = (timeoutMs: number) => void;

export interface HttpClient {
  /**
   * One GET of a path below the base URL. Redirects are answers like any other; bodies are limited to 1 MiB.
   * @param timeoutMs from the call to the last byte of the answer, waiting for a connection included
   * @param underWay holds what hurries this call for as long as it is under way
   * @throws {UpstreamError} `timeout`, `unavailable` or `invalidResponse`; any status that arrives is an answer.
   */
  get(
    path: string,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
    underWay?: Set<Hurry>,
  ): Promise<HttpResponse>;
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
    // The one deadline of the exchange covers these phases too.
    headersTimeout: 0,
    bodyTimeout: 0,
    connectTimeout: connectTimeoutMs,
  });
  const prefix = baseUrl.pathname.replace(/\/$/, '');

  return {
    get: (path, headers, timeoutMs, underWay) =>
      new Promise((resolve, reject) => {
        pool.dispatch(
          { method: 'GET', path: prefix + path, headers },
          new ResponseCollector(timeoutMs, underWay, resolve, reject),
        );
      }),
    close: () => pool.destroy(),
  };
}

/**
 * Collects one answer. Undici's own `request` hands out a stream and heeds an AbortSignal for each call; reading
 * through the dispatch interface does without both.
 */
class ResponseCollector implements Dispatcher.DispatchHandler {
  readonly #resolve: (answer: HttpResponse) => void;
  readonly #reject: (error: UpstreamError) => void;
  readonly #underWay: Set<Hurry> | undefined;
  readonly #chunks: Buffer[] = [];
  #endsAt = Infinity;
  #deadline: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #late: UpstreamError | undefined;
  #status = 0;
  #headers: IncomingHttpHeaders = {};

  constructor(
    timeoutMs: number,
    underWay: Set<Hurry> | undefined,
    resolve: (answer: HttpResponse) => void,
    reject: (error: UpstreamError) => void,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    this.#underWay = underWay;
    this.#hurry(timeoutMs);
    underWay?.add(this.#hurry);
  }

  readonly #hurry = (timeoutMs: number): void => {
    const endsAt = performance.now() + timeoutMs;
    if (endsAt >= this.#endsAt) return;
    clearTimeout(this.#deadline);
    this.#endsAt = endsAt;
    this.#deadline = setTimeout(() => {
      this.#late = new UpstreamError('timeout', 'no answer in time');
      this.#underWay?.delete(this.#hurry);
      this.#reject(this.#late);
      this.#controller?.abort(this.#late);
    }, timeoutMs);
  };

  #end(): void {
    clearTimeout(this.#deadline);
    this.#underWay?.delete(this.#hurry);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The deadline passed while the request waited for a connection: it need not be sent any more.
    if (this.#late !== undefined) controller.abort(this.#late);
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
    return new UpstreamError('invalidResponse', 'the answer is not HTTP', { cause: error });
  }
  return new UpstreamError('unavailable', 'no connection', { cause: error });
}
