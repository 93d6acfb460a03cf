/**
 * What replicas have in common, behind one small interface: Redis in production, a map on the injected clock in tests. It
 * knows names, marks and sealed bytes, and nothing of tokens, teams or backfills.
 *
 * Every method is one round trip, however many resources it is about, and rejects where that does not succeed. The store
 * may forget anything at any time: a value, a mark, a lock or a count. What is forgotten costs calls and nothing else.
 *
 * - **The clock** is the store's own. Where it steps back, or is forgotten, another epoch begins, and no value of the one
 *   before opens any more. So a step makes values older and never younger.
 * - **A mark** is a random text that stands for a time without a refusal or a write. Values are bound to the marks under
 *   which they were asked for. A change is another mark, never a count that could begin again.
 * - **A lock** says who makes a call. Its holder renews it; one that has died loses it within {@link LOCK_MS}.
 * - **The news** are names of what has changed, for all replicas that listen. They say no more than "look again".
 */
export interface SharedStore {
  /**
   * Looks up what is known of some resources of one team, and takes the locks of those for which a call is to be made.
   * Takes none, and counts none, where the standing of the credential or the team is another than the asker knows.
   */
  ask(asked: Asked): Promise<Told>;
  /** Keeps what a call was answered, unless a mark has changed since it was asked for; gives the lock back, and tells. */
  finish(finished: Finished): Promise<void>;
  /** Holds the locks for another {@link LOCK_MS}. */
  renew(locks: readonly Lock[]): Promise<void>;
  /** Gives up locks without an outcome: whoever waits for it takes over. */
  release(locks: readonly Lock[]): Promise<void>;
  /** Gives these marks another value, keeps the standing where one is given, and tells. */
  change(changed: Changed): Promise<void>;
  /** Counts further exchanges of calls that were counted before, such as retries. */
  count(hour: Names, exchanges: number): Promise<void>;
  /** Tells this replica's part in some credentials' hours, and what all of them come to. */
  report(reports: readonly Report[]): Promise<Survey>;
  /** @param listener called with names of what has changed; with undefined when some news may have been lost */
  onNews(listener: (names: readonly string[] | undefined) => void): void;
  close(): Promise<void>;
}

/** The names of one thing by each secret, the present one's first; see seal.ts. */
export type Names = readonly [string, ...string[]];

/** The time for which a lock holds that is not renewed. */
export const LOCK_MS = 900;

export interface Asked {
  readonly credential: StandingKnown;
  readonly team: StandingKnown;
  /** Whose calls are counted. */
  readonly hour: Names;
  readonly resources: readonly AskedResource[];
}

/** A credential or a team, with the standing that the asker knows. */
export interface StandingKnown {
  readonly names: Names;
  /** Undefined where it knows none. */
  readonly version: string | undefined;
}

export interface AskedResource {
  readonly names: Names;
  /** The moment of the store's clock since when an answer will do; `Infinity` for none that is kept. */
  readonly since: number;
  /** Who is to have the lock where nothing will do and nobody has it; undefined for nobody. */
  readonly holder: string | undefined;
  /** The holder for whose outcome the asker waits. */
  readonly waitsFor: string | undefined;
}

export interface Told {
  /** Milliseconds of the store's clock. */
  readonly now: number;
  readonly epoch: string;
  readonly credential: Standing;
  readonly team: Standing;
  /** In the order in which they were asked for. */
  readonly resources: readonly ToldResource[];
}

export interface Standing {
  /** By each name; see {@link Names}. */
  readonly marks: readonly string[];
  readonly version: string;
  /** What is remembered of refusals and of a closed gate, and under which of the names. Undefined for nothing. */
  readonly remembered: { readonly sealed: Buffer; readonly under: number } | undefined;
}

/**
 * `value`: what is kept will do. `mine`: the asker is to make the call. `held`: another one makes it. `failed`: the call that
 * was waited for has failed so. `look`: the standing is another one than the asker knew. `none`: nothing will do, and no call
 * was to be made.
 */
export type ToldResource =
  | ({ readonly state: 'value' } & KeptValue)
  | { readonly state: 'mine'; readonly marks: readonly string[] }
  | { readonly state: 'held'; readonly holder: string }
  | { readonly state: 'failed'; readonly sealed: Buffer }
  | { readonly state: 'look' }
  | { readonly state: 'none' };

export interface KeptValue {
  readonly sealed: Buffer;
  /** Which of the names it was kept under. */
  readonly under: number;
  /** When it was given, on the store's clock. The same is in what was sealed. */
  readonly at: number;
  /** The marks of the resource, by each name. */
  readonly marks: readonly string[];
}

export interface Lock {
  readonly names: Names;
  readonly holder: string;
}

export interface Finished extends Lock {
  /** The marks and the epoch under which it was asked for. */
  readonly credential: { readonly names: Names; readonly marks: readonly string[] };
  readonly team: { readonly names: Names; readonly marks: readonly string[] };
  readonly marks: readonly string[];
  readonly epoch: string;
  readonly outcome:
    | { readonly kind: 'value'; readonly sealed: Buffer; readonly at: number; readonly lifeMs: number }
    | { readonly kind: 'failure'; readonly sealed: Buffer };
}

export interface Changed {
  /** What gets other marks. */
  readonly marks: readonly { readonly of: 'credential' | 'team' | 'resource'; readonly names: Names }[];
  /** The standing that is known from now on; undefined where it stays. */
  readonly standing?: {
    readonly names: Names;
    /** By each name. */
    readonly sealed: readonly Buffer[];
    readonly lifeMs: number;
  };
}

/** Calls an hour that one replica foresees for a credential, by reason. */
export interface Foreseen {
  readonly misses: number;
  readonly refreshes: number;
  readonly resyncs: number;
}

export interface Report {
  readonly hour: Names;
  readonly foreseen: Foreseen;
  /** The first minute of the store's clock whose count is wanted. */
  readonly from: number;
  /** What this replica remembers of minutes that the store has forgotten, or of which it has told less. */
  readonly remembered: ReadonlyMap<number, number>;
}

export interface Survey {
  readonly now: number;
  /** Replicas that have reported lately. */
  readonly replicas: number;
  /** In the order of the reports. `calls` are those of the group, by minute of the store's clock. */
  readonly hours: readonly { readonly calls: ReadonlyMap<number, number>; readonly foreseen: Foreseen }[];
}
