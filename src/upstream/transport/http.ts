import type { IncomingHttpHeaders } from 'node:http';
import type { LookupFunction } from 'node:net';
import { type Dispatcher, errors } from 'undici';
import type { Span } from '../../tracing/span.ts';
import { UpstreamError } from '../errors.ts';
import { type BodyRoom, createBodyRoom, type RoomClaim } from './body-room.ts';
import {
  type CarriedHandler,
  type Connection,
  type Connections,
  createConnections,
  type OutgoingRequest,
  type ProxySettings,
} from './connections.ts';
import { inflate, type Inflated, inflateNow, isGzip, textOf } from './content-encoding.ts';

/** An HTTP response as it came, its body read whole. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The body, decompressed and without a byte order mark. */
  readonly text: string;
}

export interface HttpClientOptions {
  /** Base URL of the REST API, without a trailing slash. */
  readonly baseUrl: URL;
  /** The most connections that are kept. */
  readonly maxConnections: number;
  /** How long a connection may take to be made, in milliseconds. */
  readonly connectTimeoutMs: number;
  /** None by default. */
  readonly proxies?: ProxySettings | undefined;
  /** The greatest age at which a connection takes an exchange, in milliseconds; 30 s by default. */
  readonly maxConnectionAgeMs?: number;
  /** The most bytes of large bodies that are read at once, over all exchanges; 64 MiB by default. */
  readonly maxLargeBytes?: number;
  /** Resolves names; the system's by default. */
  readonly lookup?: LookupFunction;
}

export interface ExchangeOptions {
  /** The most bytes that the body may have, also after decompression. */
  readonly maxBytes: number;
  /** On whose behalf it is; those who read large bodies at once share the room for them. */
  readonly partition: string;
  /** Called when the exchange failed on a connection that was kept, and the GET is sent a second time. */
  onResend?(): void;
  /** Makes it a write; a GET by default. */
  readonly write?: WriteOptions | undefined;
  /** Of the call that it is a try of. */
  readonly span?: Span | undefined;
}

/**
 * A write is sent once, over a connection of its own: on one that was kept a write can be lost without anybody knowing
 * whether it has arrived.
 */
export interface WriteOptions {
  readonly method: 'POST' | 'PATCH';
  readonly body: string;
  /** Called right before the first byte leaves. Until then nothing can have arrived. */
  onSent(): void;
}

export interface HttpClient {
  /**
   * Begins one exchange with a path below the base URL. A redirect is a response like any other. A GET whose connection had
   * carried another and ends before a byte of the response came is sent once more, over a connection of its own.
   * @param headers sent as they are; a response in one of the `ACCEPTED_ENCODINGS` is decompressed
   * @param timeoutMs from now to the last byte of the response, waiting for a connection included
   */
  begin(
    path: string,
    headers: Readonly<Record<string, string>>,
    timeoutMs: number,
    options: ExchangeOptions,
  ): HttpExchange;
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

/** Bodies up to this size are read whatever others read; larger ones need room. */
const SMALL_BYTES = 256 * 1024;
const MAX_LARGE_BYTES = 64 * 1024 * 1024;

export function createHttpClient(options: HttpClientOptions): HttpClient {
  const { baseUrl, maxConnections, connectTimeoutMs, proxies } = options;
  const connections = createConnections({
    origin: baseUrl.origin,
    maxConnections,
    connectTimeoutMs,
    proxies,
    maxAgeMs: options.maxConnectionAgeMs,
    lookup: options.lookup,
  });
  const room = createBodyRoom(options.maxLargeBytes ?? MAX_LARGE_BYTES);
  const prefix = baseUrl.pathname.replace(/\/$/, '');

  return {
    begin(path, headers, timeoutMs, exchange) {
      const { write } = exchange;
      const request = { path: prefix + path, headers, write };
      const collector = new ResponseCollector(request, exchange, { connections, room });
      collector.shortenDeadline(timeoutMs);
      if (write === undefined) connections.dispatch(request, collector);
      else collector.dispatchAlone();
      return collector;
    },
    close: () => connections.close(),
  };
}

interface Means {
  readonly connections: Connections;
  readonly room: BodyRoom;
}

/**
 * Collects one response. Undici's own `request` hands out a stream and heeds an AbortSignal for each call; reading
 * through the dispatch interface needs neither.
 */
class ResponseCollector implements CarriedHandler, HttpExchange {
  readonly response: Promise<HttpResponse>;
  readonly #request: OutgoingRequest;
  readonly #options: ExchangeOptions;
  readonly #means: Means;
  #resolve: (response: HttpResponse) => void = () => undefined;
  #reject: (error: UpstreamError) => void = () => undefined;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #claim: RoomClaim | undefined;
  #endsAt = Infinity;
  #deadline: NodeJS.Timeout | undefined;
  #controller: Dispatcher.DispatchController | undefined;
  #connection: Connection | undefined;
  #endConnection: (() => void) | undefined;
  #maySendAgain = false;
  #isSent = false;
  #givenUp: UpstreamError | undefined;
  #isOver = false;
  #status = 0;
  #headers: IncomingHttpHeaders = {};

  constructor(request: OutgoingRequest, options: ExchangeOptions, means: Means) {
    this.#request = request;
    this.#options = options;
    this.#means = means;
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  get span(): Span | undefined {
    return this.#options.span;
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
    this.#givenUp = reason;
    this.#fail(reason);
    this.#controller?.abort(reason);
  }

  #fail(reason: UpstreamError): void {
    this.#end();
    this.#reject(reason);
  }

  #end(): void {
    clearTimeout(this.#deadline);
    this.#isOver = true;
    if (this.#claim !== undefined) this.#means.room.release(this.#claim);
    this.#endConnection?.();
  }

  assignTo(connection: Connection): void {
    this.#connection = connection;
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    // The connection of a GET that is sent again has carried no other, so there is no third time.
    const isReused = this.#connection?.exchangeBegan().isReused ?? false;
    const { write } = this.#options;
    this.#maySendAgain = isReused && write === undefined;
    // It was given up while the request waited for a connection, so it need not be sent any more.
    if (this.#givenUp !== undefined) controller.abort(this.#givenUp);
    else if (write !== undefined) this.#beginWrite(write, controller);
  }

  #beginWrite(write: WriteOptions, controller: Dispatcher.DispatchController): void {
    // Undici sends again what a connection lost that it took for idle. A write that has begun is never begun again.
    if (this.#isSent) controller.abort(new UpstreamError('unavailable', 'the connection was lost'));
    else write.onSent();
    this.#isSent = true;
  }

  onResponseStarted(): void {
    this.#maySendAgain = false;
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: IncomingHttpHeaders,
  ): void {
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    if (this.#bytes <= SMALL_BYTES) return;
    if (this.#bytes > this.#options.maxBytes) this.abort(this.#tooLarge());
    else if (this.#claim === undefined) {
      controller.pause();
      // Undici's parser cannot go on while it is within another connection's response.
      this.#claimRoom(() => queueMicrotask(() => controller.resume()));
    }
  }

  /** Claims room for all that the body may become, so that no body that is being read has to wait for more. */
  #claimRoom(grant: () => void): void {
    const { partition, maxBytes } = this.#options;
    const announced = Number(this.#headers['content-length'] ?? Infinity);
    const isPlain = this.#headers['content-encoding'] === undefined;
    this.#claim = {
      partition,
      bytes: isPlain && announced <= maxBytes ? announced : maxBytes,
      grant,
      revoke: () => this.abort(new UpstreamError('unavailable', 'others need the room for large bodies')),
    };
    this.#means.room.claim(this.#claim);
  }

  onResponseEnd(): void {
    this.#connection?.exchangeEnded();
    const [first] = this.#chunks;
    const body = first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    if (!isGzip(this.#headers, body)) {
      this.#succeed(body);
      return;
    }
    const inflated = body.length > SMALL_BYTES ? 'tooLarge' : inflateNow(body, SMALL_BYTES);
    if (inflated === 'tooLarge') this.#inflateLarge(body);
    else this.#settle(inflated);
  }

  #inflateLarge(body: Buffer): void {
    const begin = (): void => {
      inflate(body, this.#options.maxBytes, (inflated) => {
        if (!this.#isOver) this.#settle(inflated);
      });
    };
    if (this.#claim === undefined) this.#claimRoom(begin);
    else begin();
  }

  #settle(inflated: Inflated): void {
    if (inflated === 'tooLarge') this.#fail(this.#tooLarge());
    else if (inflated !== 'broken') this.#succeed(inflated);
    // An error's status says enough, as it does of an error without a body.
    else if (this.#status >= 400) this.#succeed(Buffer.alloc(0));
    else this.#fail(new UpstreamError('invalidResponse', 'the body is broken gzip'));
  }

  #succeed(body: Buffer): void {
    this.#end();
    this.#resolve({ status: this.#status, headers: this.#headers, text: textOf(body) });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (this.#isOver) return;
    const reason = toUpstreamError(error);
    if (this.#maySendAgain && reason.kind === 'unavailable' && !isClosed(error)) this.#sendAgain();
    else this.#fail(reason);
  }

  #sendAgain(): void {
    this.#maySendAgain = false;
    this.#controller = undefined;
    this.#options.onResend?.();
    this.dispatchAlone();
  }

  /** Sends the request over a connection of its own. */
  dispatchAlone(): void {
    const endConnection = this.#means.connections.dispatchAlone(this.#request, this);
    if (this.#isOver) endConnection();
    else this.#endConnection = endConnection;
  }

  #tooLarge(): UpstreamError {
    return new UpstreamError('invalidResponse', `the body exceeds ${this.#options.maxBytes} bytes`);
  }
}

function isClosed(error: Error): boolean {
  return error instanceof errors.ClientDestroyedError || error instanceof errors.ClientClosedError;
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
  if (error instanceof errors.HTTPParserError || error instanceof errors.HeadersOverflowError) {
    return new UpstreamError('invalidResponse', 'the response is not HTTP', { cause: error });
  }
  return new UpstreamError('unavailable', 'no connection', { cause: error });
}
