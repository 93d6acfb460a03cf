import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Credential } from '../credentials.ts';
import { UpstreamError } from '../errors.ts';
import type { GroupStandings } from './group-standings.ts';
import type { Seal } from './seal.ts';
import { errorIn, textOfError } from './sealed-errors.ts';
import type { Finished, Lock, Names, SharedStore, Told, ToldResource, Under } from './shared-store.ts';

/** One read that all replicas may answer for each other. Moments are monotonic milliseconds of this process. */
export interface GroupRead<Value> extends Peek<Value> {
  /** By when there has to be an answer. */
  readonly deadline: number;
  /** Why no call may be made for it now. What others have read will do all the same. */
  refusal(): UpstreamError | undefined;
  /** Whether its call shows if a refusal still holds, so that the others wait for it. */
  isTrial(): boolean;
  /** Makes the call, if no replica has an answer and none is making it. Rejects with an {@link UpstreamError}. */
  call(): Promise<Answered<Value>>;
}

/** One look at what the group has. */
export interface Peek<Value> {
  readonly credential: Credential;
  readonly teamId: ResourceId;
  /** Names the resource within its team. */
  readonly resource: string;
  /** Since when an answer may do. */
  readonly since: number;
  /** Whether this one does. */
  suits(answered: Answered<Value>): boolean;
  readonly form: Form<Value>;
}

/** How an answer is written down. */
export interface Form<Value> {
  write(value: Value): string;
  /** What makes no sense, of another version say, throws. */
  parse(text: string): Value;
  /** How long the answer may be of use to anybody, in milliseconds. */
  lifeMs(value: Value): number;
}

export interface Answered<Value> {
  readonly value: Value;
  /** When the call began, and when its answer came. */
  readonly sentAt: number;
  readonly answeredAt: number;
  /** The same as people read it, which is one text on all replicas. */
  readonly fetchedAt: string;
  /** When its marks still held; undefined for an answer of this replica's own. */
  readonly holdsAt?: number;
}

/** @see GroupReads.read */
export type Outcome<Value> =
  | { readonly kind: 'answered'; readonly answered: Answered<Value>; readonly isOwn: boolean }
  /** The call of another replica, for which this one waited. */
  | { readonly kind: 'failed'; readonly error: UpstreamError };

/**
 * Reads that all replicas make once. Whoever finds neither an answer that will do nor a lock takes the lock and makes the
 * call; the others wait for its outcome, failures included. A holder that is slow renews its lock, so nobody calls beside
 * it; one that has died loses it, and one of the others takes over.
 *
 * Looks of one turn of the event loop are one round trip for each credential and team, however many resources they are
 * about. So a page costs one round trip where the group has it, and two where calls are made. Where the store does not
 * answer, a read makes its call by itself.
 */
export interface GroupReads {
  /** What the group has that suits; undefined where it has nothing, or cannot be asked. */
  peek<Value>(peek: Peek<Value>): Promise<Answered<Value> | undefined>;
  /** Rejects with the {@link UpstreamError} of its own call, and of none else. */
  read<Value>(read: GroupRead<Value>): Promise<Outcome<Value>>;
  /** Gives the others what a write was answered, which replaces what was kept. */
  offer<Value>(peek: Peek<Value>, answered: Answered<Value>): Promise<void>;
  /** Looks at the standing of a credential and a team, and at nothing else. @returns whether the store has told it */
  lookAtStanding(credential: Credential, teamId: ResourceId): Promise<boolean>;
  /** Gives up the locks of calls that are under way. */
  close(): Promise<void>;
}

export interface GroupReadsDeps {
  readonly store: Pick<SharedStore, 'ask' | 'finish' | 'renew' | 'release' | 'onNews'>;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly standings: Pick<GroupStandings, 'versionOf' | 'learn' | 'hasUntold'>;
  readonly onLook: (result: LookResult) => void;
  /** After the store has counted calls, which begin now. */
  readonly onCounted: (credentialId: string, calls: number, minute: NonNullable<Told['minute']>) => void;
}

/**
 * `hit`: the group had an answer. `waited`: it came while another replica made the call. `miss`: the call was made here.
 * `refused`: what was kept did not open, or made no sense. `large`: an answer was too large to share. `away`: the store
 * could not be asked.
 */
export const LOOK_RESULTS = ['hit', 'waited', 'miss', 'refused', 'large', 'away'] as const;
export type LookResult = (typeof LOOK_RESULTS)[number];

/** Sealed values with more bytes are not shared: Redis would be busy with one of them for a millisecond. */
const MAX_BYTES = 512 * 1024;
/** How often a waiter looks who has heard nothing, in milliseconds. News may be lost. */
const LOOK_MS = 250;
/** How often one read takes in another standing. */
const MAX_LOOKS = 5;
/** How often locks are renewed, in milliseconds: three times in their life. */
const RENEW_MS = 300;

/** What is sealed before the text of an answer, in a line of its own. Moments are those of the store's clock. */
interface Heading {
  readonly sentAt: number;
  readonly at: number;
  readonly fetchedAt: string;
}

/** What the store told of one resource, and when it was asked. */
interface Seen {
  readonly told: Told;
  readonly resource: ToldResource;
  readonly askedAt: number;
  readonly answeredAt: number;
}

interface Wanted {
  /** Undefined where no call may be made. */
  readonly holder: string | undefined;
  readonly waitsFor: string | undefined;
  /** Whether what is kept was looked at, and will not do. */
  readonly isInVain: boolean;
}

/** A part of the next round trip. */
interface Look {
  readonly read: Pick<Peek<unknown>, 'credential' | 'teamId' | 'since'>;
  readonly names: Names;
  readonly wanted: Wanted;
  resolve(seen: Seen): void;
  reject(error: unknown): void;
}

/** A call that this process makes for all. */
interface HeldCall {
  readonly lock: Lock;
  readonly seen: Seen;
  readonly marks: readonly string[];
}

export function createGroupReads(deps: GroupReadsDeps): GroupReads {
  const { store, seal, clock, standings, onLook, onCounted } = deps;
  /** Looks of this turn of the event loop, by credential and team. */
  let turn = new Map<string, Look[]>();
  const held = new Set<Lock>();
  let isRenewing = false;
  /** Those who wait for news, by name. */
  const waiting = new Map<string, Set<() => void>>();
  /** Milliseconds by which the store's clock is ahead of ours, or a little less. */
  let ahead = -Infinity;

  store.onNews((news) => {
    if (news?.kind === 'changed') return;
    for (const name of news?.names ?? [...waiting.keys()]) {
      for (const wake of [...(waiting.get(name) ?? [])]) wake();
    }
  });

  function look(read: Look['read'], names: Names, wanted: Wanted): Promise<Seen> {
    return new Promise((resolve, reject) => {
      if (turn.size === 0) setImmediate(askAll);
      const key = `${read.credential.id}/${read.teamId}`;
      const looks = turn.get(key) ?? [];
      turn.set(key, looks);
      looks.push({ read, names, wanted, resolve, reject });
    });
  }

  function askAll(): void {
    const asked = turn;
    turn = new Map();
    for (const looks of asked.values()) {
      const [first] = looks;
      if (first !== undefined) void ask(first.read.credential, first.read.teamId, looks);
    }
  }

  /** One round trip. Where it fails, so do the looks. @returns whether the store has answered */
  async function ask(credential: Credential, teamId: ResourceId, looks: readonly Look[]): Promise<boolean> {
    const ofCredential = seal.names(credential, 'credential');
    const ofTeam = seal.names(credential, 'team', teamId);
    const askedAt = clock.monotonic();
    try {
      const told = await store.ask({
        credential: { names: ofCredential, version: standings.versionOf(ofCredential[0]) },
        team: { names: ofTeam, version: standings.versionOf(ofTeam[0]) },
        hour: seal.names(credential, 'hour'),
        resources: looks.map(({ read, names, wanted: { isInVain, holder, waitsFor } }) => {
          const since = isInVain ? Infinity : Math.max(0, Math.floor(read.since + ahead));
          return { names, since, holder, waitsFor };
        }),
      });
      const answeredAt = clock.monotonic();
      ahead = told.now - answeredAt;
      standings.learn(credential, teamId, told);
      const counted = told.resources.filter(({ state }) => state === 'mine').length;
      if (told.minute !== undefined) onCounted(credential.id, counted, told.minute);
      for (const [n, { resolve, reject }] of looks.entries()) {
        const resource = told.resources[n];
        if (resource === undefined)
          reject(new Error('the store told of fewer resources than it was asked for'));
        else resolve({ told, resource, askedAt, answeredAt });
      }
      return true;
    } catch (error) {
      for (const { reject } of looks) reject(error);
      return false;
    }
  }

  /** What a value is sealed with: it opens under the same name and marks alone. */
  function boundTo(names: Names, told: Told, marks: readonly string[], under = 0): readonly string[] {
    const { epoch, credential, team } = told;
    const byName = [credential.marks, team.marks, marks].map((each) => each[under] ?? '');
    return [names[under] ?? '', epoch, ...byName];
  }

  /** Our moment of one of the store's, or a little before it: nothing is taken for younger than it is. */
  function momentOf(stored: number, { told, askedAt }: Seen): number {
    return askedAt - Math.max(0, told.now - stored);
  }

  /** The store's moment of one of ours, or a little before it. */
  function storedOf(moment: number, { told, answeredAt }: Seen): number {
    return Math.floor(told.now + moment - answeredAt);
  }

  function opened<Value>(read: Peek<Value>, names: Names, seen: Seen): Answered<Value> | undefined {
    const { told, resource } = seen;
    if (resource.state !== 'value') return undefined;
    const { sealed, marks, under, at } = resource;
    // What this replica could not tell of has made no mark another.
    if (standings.hasUntold(read.credential, read.teamId)) return undefined;
    const text = seal.open(read.credential, sealed, boundTo(names, told, marks, under));
    if (text === undefined) return undefined;
    try {
      const textAt = text.indexOf('\n') + 1;
      const heading = JSON.parse(text.slice(0, textAt)) as Heading;
      // Who can write to the store can change the moment beside what is sealed.
      if (heading.at !== at || at > told.now) return undefined;
      const [sentAt, answeredAt] = [momentOf(heading.sentAt, seen), momentOf(at, seen)];
      const { fetchedAt } = heading;
      return {
        value: read.form.parse(text.slice(textAt)),
        sentAt,
        answeredAt,
        fetchedAt,
        holdsAt: seen.askedAt,
      };
    } catch {
      return undefined;
    }
  }

  function failureIn(credential: Credential, holder: string, sealed: Buffer): UpstreamError | undefined {
    const text = seal.open(credential, sealed, [holder]);
    return text === undefined ? undefined : errorIn(text);
  }

  /** Makes the call for all replicas. */
  async function call<Value>(read: GroupRead<Value>, made: HeldCall): Promise<Answered<Value>> {
    held.add(made.lock);
    renewLater();
    try {
      const answered = await read.call();
      share(read, made, answered);
      return answered;
    } catch (error) {
      shareFailure(read.credential, made, error);
      throw error;
    } finally {
      held.delete(made.lock);
    }
  }

  function share<Value>(read: Peek<Value>, made: HeldCall, answered: Answered<Value>): void {
    const { lock, seen, marks } = made;
    const { value, sentAt, answeredAt, fetchedAt } = answered;
    const { credential, form } = read;
    const at = storedOf(answeredAt, seen);
    const heading: Heading = { sentAt: storedOf(sentAt, seen), at, fetchedAt };
    const text = `${JSON.stringify(heading)}\n${form.write(value)}`;
    const sealed = seal.seal(credential, text, boundTo(lock.names, seen.told, marks));
    const lifeMs = Math.ceil(form.lifeMs(value));
    if (sealed.length <= MAX_BYTES && lifeMs > 0) {
      finish(credential, made, { kind: 'value', sealed, at, lifeMs });
      return;
    }
    if (lifeMs > 0) onLook('large');
    release(lock);
  }

  /** A failure of this process's own, such as no free slot, says nothing to others. */
  function shareFailure(credential: Credential, made: HeldCall, error: unknown): void {
    const { lock } = made;
    const isOwn =
      !(error instanceof UpstreamError) || error.kind === 'overloaded' || error.subject === 'operation';
    if (isOwn) release(lock);
    else
      finish(credential, made, {
        kind: 'failure',
        sealed: seal.seal(credential, textOfError(error), [lock.holder]),
      });
  }

  /** Nobody waits for it here: whoever cannot be told takes over when the lock has ended. */
  function finish(
    credential: Credential,
    { lock, seen, marks }: HeldCall,
    outcome: Finished['outcome'],
  ): void {
    const { epoch, credential: ofCredential, team } = seen.told;
    const under: Under = {
      epoch,
      ofCredential: { names: seal.names(credential, 'credential'), marks: ofCredential.marks },
      ofTeam: { marks: team.marks },
      marks,
    };
    store.finish({ ...lock, under, outcome }).catch(() => undefined);
  }

  function release(lock: Lock): void {
    held.delete(lock);
    store.release([lock]).catch(() => undefined);
  }

  /** Renews all locks together, as long as there are any. */
  function renewLater(): void {
    if (isRenewing) return;
    isRenewing = true;
    clock.after(RENEW_MS, () => {
      isRenewing = false;
      if (held.size === 0) return;
      store.renew([...held]).catch(() => undefined);
      renewLater();
    });
  }

  /** Waits for news of a name, not for long. */
  function newsOf(name: string, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const readers = waiting.get(name) ?? new Set();
      waiting.set(name, readers);
      const wake = (): void => {
        cancel();
        readers.delete(wake);
        if (readers.size === 0) waiting.delete(name);
        resolve();
      };
      const cancel = clock.after(ms, wake);
      readers.add(wake);
    });
  }

  return {
    async peek<Value>(peek: Peek<Value>): Promise<Answered<Value> | undefined> {
      const names = seal.names(peek.credential, 'resource', peek.teamId, peek.resource);
      const wanted: Wanted = { holder: undefined, waitsFor: undefined, isInVain: false };
      const seen = await look(peek, names, wanted).catch(() => undefined);
      if (seen === undefined) onLook('away');
      if (seen?.resource.state !== 'value') return undefined;
      const answered = opened(peek, names, seen);
      if (answered === undefined) onLook('refused');
      if (answered === undefined || !peek.suits(answered)) return undefined;
      onLook('hit');
      return answered;
    },

    async read<Value>(read: GroupRead<Value>): Promise<Outcome<Value>> {
      const trial = await takeTrial(read);
      try {
        return await readOnce(read);
      } finally {
        if (trial !== undefined) release(trial);
      }
    },

    async offer<Value>(peek: Peek<Value>, answered: Answered<Value>): Promise<void> {
      const { credential, teamId, resource } = peek;
      const names = seal.names(credential, 'resource', teamId, resource);
      // Nothing that is kept will do. The marks are those that the write has made.
      const wanted: Wanted = { holder: undefined, waitsFor: undefined, isInVain: true };
      const seen = await look(peek, names, wanted).catch(() => undefined);
      if (seen?.resource.state !== 'none') return;
      const { marks } = seen.resource;
      const lock = { names, holder: randomUUID(), ofTeam: seal.names(credential, 'team', teamId) };
      share(peek, { lock, seen, marks }, answered);
    },

    lookAtStanding: (credential, teamId) => ask(credential, teamId, []),

    close: () => store.release([...held]),
  };

  async function readOnce<Value>(read: GroupRead<Value>): Promise<Outcome<Value>> {
    const { credential, teamId, resource, deadline } = read;
    const names = seal.names(credential, 'resource', teamId, resource);
    const own = async (call: Promise<Answered<Value>>): Promise<Outcome<Value>> => ({
      kind: 'answered',
      answered: await call,
      isOwn: true,
    });
    let waitsFor: string | undefined;
    let isInVain = false;
    let looks = 0;
    for (;;) {
      const refusal = read.refusal();
      const holder = refusal === undefined ? randomUUID() : undefined;
      const seen = await look(read, names, { holder, waitsFor, isInVain }).catch(() => undefined);
      if (seen === undefined) {
        onLook('away');
        if (refusal !== undefined) throw refusal;
        return own(read.call());
      }
      const { resource: found } = seen;
      switch (found.state) {
        case 'value': {
          const answered = opened(read, names, seen);
          if (answered !== undefined && read.suits(answered)) {
            onLook(waitsFor === undefined ? 'hit' : 'waited');
            return { kind: 'answered', answered, isOwn: false };
          }
          if (answered === undefined) onLook('refused');
          isInVain = true;
          break;
        }
        case 'failed': {
          const error = waitsFor === undefined ? undefined : failureIn(credential, waitsFor, found.sealed);
          waitsFor = undefined;
          if (error !== undefined) {
            onLook('waited');
            return { kind: 'failed', error };
          }
          onLook('refused');
          break;
        }
        case 'held': {
          const leftMs = deadline - clock.monotonic();
          if (leftMs <= 0) throw new UpstreamError('timeout', 'no answer to the call of another replica');
          waitsFor = found.holder;
          // What comes now may do, whatever was there before.
          isInVain = false;
          await newsOf(names[0], Math.min(LOOK_MS, leftMs));
          break;
        }
        case 'mine': {
          onLook('miss');
          const lock = { names, holder: holder ?? '', ofTeam: seal.names(credential, 'team', teamId) };
          return own(call(read, { lock, seen, marks: found.marks }));
        }
        case 'none':
          if (refusal !== undefined) throw refusal;
          break;
        case 'look':
          // Who can write to the store can change the standing again and again.
          if (++looks > MAX_LOOKS) return own(read.call());
          break;
      }
    }
  }

  /**
   * After a refusal one call of the group goes ahead, and the others wait for what it shows.
   * @returns the lock of the one that goes ahead
   */
  async function takeTrial(read: GroupRead<unknown>): Promise<Lock | undefined> {
    const { credential, teamId, deadline } = read;
    const names = seal.names(credential, 'trial');
    const holder = randomUUID();
    for (let looks = 0; looks <= MAX_LOOKS && read.isTrial() && read.refusal() === undefined;) {
      const wanted: Wanted = { holder, waitsFor: undefined, isInVain: true };
      const seen = await look({ ...read, since: Infinity }, names, wanted).catch(() => undefined);
      const state = seen?.resource.state;
      if (state === 'mine') {
        const lock = { names, holder, ofTeam: seal.names(credential, 'team', teamId) };
        held.add(lock);
        renewLater();
        return lock;
      }
      const leftMs = deadline - clock.monotonic();
      if (state === undefined || leftMs <= 0) return undefined;
      if (state === 'held') await newsOf(names[0], Math.min(LOOK_MS, leftMs));
      else looks++;
    }
    return undefined;
  }
}
