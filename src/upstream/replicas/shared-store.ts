import type { Foreseen } from '../quota/demand.ts';

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
  /** Gives marks another value, and with them what is kept and remembered under them; tells. */
  change(changed: Changed): Promise<void>;
  /**
   * Tells this replica's part in some credentials' hours, and what all of them come to.
   * @param kin names those with whom this replica shares; without it, it is not among the replicas
   */
  report(reports: readonly Report[], kin?: Names): Promise<Survey>;
  /** @param listener called with the news of others, and with undefined when some may have been lost */
  onNews(listener: (news: News | undefined) => void): void;
  /** @param listener called when the connection is there, and when it is lost, with the code of the error behind it */
  onConnection(listener: (isThere: boolean, code?: string) => void): void;
  close(): Promise<void>;
}

/**
 * `answered`: calls for these resources of the team have ended. `changed`: the standing of these credentials or teams is
 * another one.
 */
export type News =
  | { readonly kind: 'answered'; readonly team: readonly string[]; readonly names: readonly string[] }
  | { readonly kind: 'changed'; readonly names: readonly string[] };

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
  /** The calls of the group in the present minute, those that were counted now included; undefined where none was. */
  readonly minute: { readonly minute: number; readonly calls: number } | undefined;
}

export interface Standing {
  /** By each name; see {@link Names}. */
  readonly marks: readonly string[];
  readonly version: string;
  /** The version before this one. */
  readonly previous: string;
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
  | { readonly state: 'none'; readonly marks: readonly string[] };

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
  /** Whose resource it is. */
  readonly ofTeam: Names;
}

export interface Finished extends Lock {
  /** The epoch and the marks under which it was asked for. */
  readonly under: Under;
  readonly outcome:
    | { readonly kind: 'value'; readonly sealed: Buffer; readonly at: number; readonly lifeMs: number }
    | { readonly kind: 'failure'; readonly sealed: Buffer };
}

/** What a value is bound to. Marks are by each name. */
export interface Under {
  readonly epoch: string;
  readonly ofCredential: { readonly names: Names; readonly marks: readonly string[] };
  readonly ofTeam: { readonly marks: readonly string[] };
  readonly marks: readonly string[];
}

export interface Changed {
  /** The credential or the team that gets another version. */
  readonly of: Names;
  readonly version: string;
  /** Marks that it gets itself, by each name; undefined where they stay. */
  readonly marks?: readonly string[] | undefined;
  /** Resources that have changed, with their marks from now on. What was kept of them goes. */
  readonly resources?: readonly ChangedResource[] | undefined;
  /** What is remembered of it from now on; undefined where it stays. */
  readonly standing?: {
    /** By each name. */
    readonly sealed: readonly Buffer[];
    readonly lifeMs: number;
  };
}

export interface ChangedResource {
  readonly names: Names;
  /** By each name. */
  readonly marks: readonly string[];
  /** Its state, where the change has told it. */
  readonly value?: { readonly sealed: Buffer; readonly at: number; readonly lifeMs: number };
}

/** Calls by the minute of the store's clock. */
export type CallsByMinute = ReadonlyMap<number, number>;

export interface Report {
  readonly hour: Names;
  /** Calls of this replica that {@link SharedStore.ask} has not counted, such as retries, and those made without the store. */
  readonly added: CallsByMinute;
  /** What this replica foresees for itself. */
  readonly foreseen: Foreseen;
  /** The stretch that follows from the hour as it was told last. */
  readonly stretch: number;
  /** What was told of the hour last; undefined where nothing was. */
  readonly known: Pick<Hour, 'generation' | 'revision'> | undefined;
  /** What was known of an hour that the store has forgotten. The greater count of each minute stands. */
  readonly restored: CallsByMinute;
  /** Between which counts the hour's total is, as the REST API says; undefined where it has said nothing since. */
  readonly told: { readonly least: number; readonly most: number } | undefined;
}

export interface Survey {
  readonly now: number;
  /** Replicas that have reported lately and share with this one, itself included. */
  readonly replicas: number;
  /** Those that share something else, since their secret or their REST API is another. */
  readonly foreign: number;
  /** In the order of the reports. */
  readonly hours: readonly Hour[];
}

/** The hour of a credential, as all replicas spend it. */
export interface Hour {
  /** Another one than was known where the store has forgotten the hour. */
  readonly generation: string;
  /** Another one where counts of earlier minutes have changed. */
  readonly revision: number;
  /** All minutes where the generation or the revision is not what was known, and else the last two. */
  readonly calls: CallsByMinute;
  /** What all replicas foresee together. */
  readonly foreseen: Foreseen;
  /** The stretch for all replicas. */
  readonly stretch: number;
}
