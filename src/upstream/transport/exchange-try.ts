import type { Crowd, Place } from '../../crowd.ts';
import type { Span } from '../../tracing/span.ts';
import { UpstreamError } from '../errors.ts';
import type { CircuitPermit } from './circuits.ts';
import type { ExchangeOptions, HttpClient, HttpExchange, HttpResponse } from './http.ts';
import type { Outcome } from './outcome.ts';
import type { UpstreamRequest } from './request.ts';
import type { CallEnded } from './resilience.ts';
import type { Try, TryRunner } from './second-try.ts';

/** Told of each exchange. */
export interface ExchangeWatch {
  /** One is about to begin. @returns what is to be called when it has ended */
  begins(request: UpstreamRequest): CallEnded;
  /** One was lost on a connection that was kept, and the GET is sent once more. @returns the same for the new one */
  isResent(one: ExchangeTry): CallEnded;
  /** @param result undefined for an error that is none of the upstream's */
  ended(one: ExchangeTry, result: Outcome | undefined): void;
}

/** A try as one exchange. */
export class ExchangeTry implements Try, ExchangeOptions {
  readonly request: UpstreamRequest;
  readonly permit: CircuitPermit;
  /** How long it may take, in milliseconds. */
  readonly givenMs: number;
  /** Monotonic milliseconds. */
  readonly beganAt: number;
  readonly exchange: HttpExchange;
  readonly #watch: ExchangeWatch;
  readonly #inFlight: Crowd<ExchangeTry>;
  readonly #place: Place<ExchangeTry>;
  readonly #runner: TryRunner;
  #isAbandoned = false;
  #callEnded: CallEnded;

  constructor(
    http: Pick<HttpClient, 'begin'>,
    watch: ExchangeWatch,
    inFlight: Crowd<ExchangeTry>,
    request: UpstreamRequest,
    permit: CircuitPermit,
    runner: TryRunner,
    given: { readonly ms: number; readonly from: number },
  ) {
    this.request = request;
    this.permit = permit;
    this.givenMs = given.ms;
    this.beganAt = given.from;
    this.#watch = watch;
    this.#inFlight = inFlight;
    this.#runner = runner;
    this.#callEnded = watch.begins(request);
    this.exchange = http.begin(request.path, request.headers, given.ms, this);
    this.#place = inFlight.join(this);
    this.exchange.response.then(
      (response) => this.#settled(response),
      (error: unknown) => this.#failed(error),
    );
  }

  get maxBytes(): number {
    return this.request.maxBytes;
  }

  get partition(): string {
    return this.request.credentialId;
  }

  get span(): Span | undefined {
    return this.request.span;
  }

  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  /** Told of the exchange that is under way. */
  get callEnded(): CallEnded {
    return this.#callEnded;
  }

  onResend(): void {
    this.#callEnded = this.#watch.isResent(this);
  }

  abandon(): void {
    this.#isAbandoned = true;
    this.exchange.abort(new UpstreamError('unavailable', 'given up for another try'));
  }

  #settled(outcome: HttpResponse | UpstreamError): void {
    this.#ended(outcome);
    this.#runner.tryEnded(this, outcome);
  }

  #failed(error: unknown): void {
    if (error instanceof UpstreamError) {
      this.#settled(error);
      return;
    }
    this.#ended(undefined);
    this.#runner.tryBroke(this, error);
  }

  #ended(result: Outcome | undefined): void {
    this.#inFlight.leave(this.#place);
    this.#watch.ended(this, result);
  }
}
