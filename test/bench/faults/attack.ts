import type { Target } from './target.ts';

/** What one client, or many, may do to the gateway and to those beside them. */
export interface Attack {
  /** A sentence. */
  readonly says: string;
  /** What comes before, and is no part of what is measured. Connections that it holds stay open for the attack. */
  readonly prepare?: (target: Target) => Promise<void>;
  readonly run: (target: Target) => Promise<void>;
  /** How long at most; seven seconds where it is not given. */
  readonly seconds?: number;
  /** Settings of the gateway. */
  readonly env?: Readonly<Record<string, string>>;
}
