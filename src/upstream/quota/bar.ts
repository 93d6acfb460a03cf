import type { UpstreamError } from '../errors.ts';

/** Why no call is made for a credential, or for one team of it, for a while. */
export interface Bar {
  /** What the REST API answered. */
  readonly error: UpstreamError;
  /** Monotonic milliseconds. */
  readonly until: number;
  /** How long it lasts. Where another refusal follows it, that one lasts twice as long. Undefined for a retry-after gate. */
  readonly lastsMs: number | undefined;
}
