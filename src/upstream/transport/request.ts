import type { Span } from '../../tracing/span.ts';
import type { UpstreamErrorKind } from '../errors.ts';
import type { Scope } from './circuits.ts';

/** What every call has, made on a credential's behalf. */
interface Call extends Scope {
  /** Whether the REST API has accepted the credential before. */
  readonly isAccepted: boolean;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The most bytes that the body of the response may have, also after decompression. */
  readonly maxBytes: number;
  /** Told of each exchange that is really made for the call, retries included. */
  readonly exchanges: ExchangeObserver;
  /** Of the call; only where traces are made. */
  readonly span?: Span | undefined;
}

/** One GET. */
export interface UpstreamRequest extends Call {
  /** The deadline, in milliseconds from now. */
  readonly timeoutMs: number;
  /**
   * Whether it reads a list. Lists go before other calls, and their deadline counts from when they are sent, since
   * many reads wait for one.
   */
  readonly isList: boolean;
}

/** One write, which is sent once. */
export interface WriteRequest extends Call {
  readonly method: 'POST' | 'PATCH';
  /** JSON. */
  readonly body: string;
}

export interface ExchangeObserver {
  began(): void;
  /** One ended without being the answer of the call: another one is made, or has answered first. */
  spent(kind: UpstreamErrorKind | 'abandoned'): void;
}
