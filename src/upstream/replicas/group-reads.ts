import { randomUUID } from 'node:crypto';
import type { Clock } from '../../clock.ts';
import type { Credential } from '../credentials.ts';
import { UpstreamError } from '../errors.ts';
import type { Seal } from './seal.ts';
import { errorIn, textOfError } from './sealed-errors.ts';
import type { Finished, Lock, Names, SharedStore, Told, ToldResource } from './shared-store.ts';

/** One read that all replicas may answer for each other. Moments are monotonic milliseconds of this process. */
export interface GroupRead<Value> {
  readonly credential: Credential;
  readonly teamId: string;
  /** Names the resource within its team. */
  readonly resource: string;
  /** Since when an answer will do. */
  readonly since: number;
  /** By when there has to be one. */
  readonly deadline: number;
  /** Why no call may be made for it now. What others have read will do all the same. */
  refusal(): UpstreamError | undefined;
  /** Makes the call, if no replica has an answer and none is making it. Rejects with an {@link UpstreamError}. */
  call(): Promise<Answered<Value>>;
  /** The answer as text, and back. What makes no sense, of another version say, throws. */
  write(value: Value): string;
  parse(text: string): Value;
  /** How long the answer may be of use to anybody, in milliseconds. */
  lifeMs(value: Value): number;
}

export interface Answered<Value> {
  readonly value: Value;
  /** When the call began, and when its answer came. */
  readonly sentAt: number;
  readonly answeredAt: number;
}

/**
 * Reads that all replicas make once. Whoever finds neither an answer that will do nor a lock takes the lock and makes the
 * call; the others wait for its outcome, failures included. A holder that is slow renews its lock, so nobody calls beside
 * it; one that has died loses it, and one of the others takes over.
 *
 * Reads of one turn of the event loop are one round trip for each credential and team. Where the store does not answer, a
 * read makes its call by itself.
 */
export interface GroupReads {
  /** Rejects with an {@link UpstreamError}: that of its own call, or that of the call for which it waited. */
  read<Value>(read: GroupRead<Value>): Promise<Answered<Value>>;
  /** Gives up the locks of calls that are under way. */
  close(): Promise<void>;
}

export interface GroupReadsDeps {
  readonly store: SharedStore;
  readonly seal: Seal;
  readonly clock: Clock;
  readonly standings: Standings;
  readonly onLook: (result: LookResult) => void;
  /** Sealed values with more bytes are not shared. */
  readonly maxBytes: number;
}

/** `refused`: what was kept did not open, or made no sense. `large`: an answer was too large to share. */
export type LookResult = 'hit' | 'miss' | 'waited' | 'refused' | 'large' | 'failed';

/** Gates and remembered refusals, as the group has them. */
export interface Standings {
  /** The version that is known of a credential's or team's standing. */
  versionOf(name: string): string | undefined;
  /** Takes in what the group knows. */
  learn(credential: Credential, teamId: string, told: Told): void;
}

/** How often a waiter looks who has heard nothing, in milliseconds. News may be lost. */
const LOOK_MS = 250;
/** How often locks are renewed, in milliseconds: three times in their life. */
const RENEW_MS = 300;

/** What is sealed of an answer. Moments are those of the store's clock. */
interface SealedAnswer {
  readonly sentAt: number;
  readonly at: number;
  readonly text: string;
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
  readonly read: Pick<GroupRead<unknown>, 'credential' | 'teamId' | 'since'>;
  readonly names: Names;
  readonly wanted: Wanted;
  resolve(seen: Seen): void;
  reject(error: unknown): void;
}

/** A call that this process makes for all. */
interface HeldCall {
  readonly lock: Lock;
  readonly ofTeam: Names;
  readonly seen: Seen;
  readonly marks: readonly string[];
}

export function createGroupReads(deps: GroupReadsDeps): GroupReads {
  const { store, seal, clock, standings, onLook, maxBytes } = deps;
  /** Looks of this turn of the event loop, by credential and team. */
  let turn = new Map<string, Look[]>();
  const held = new Set<Lock>();
  let isRenewing = false;
  /** Those who wait for news, by name. */
  const waiting = new Map<string, Set<() => void>>();
  /** Milliseconds by which the store's clock is ahead of ours, or a little less. */
  let ahead = -Infinity;

  store.onNews((names = [...waiting.keys()]) => {
    for (const name of names) for (const wake of [...(waiting.get(name) ?? [])]) wake();
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
    for (const looks of asked.values()) void ask(looks);
  }

  async function ask(looks: readonly Look[]): Promise<void> {
    const [first] = looks;
    if (first === undefined) return;
    const { credential, teamId } = first.read;
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
      for (const [n, { resolve, reject }] of looks.entries()) {
        const resource = told.resources[n];
        if (resource === undefined) reject(new Error('the store told of fewer resources than it was asked for'));
        else resolve({ told, resource, askedAt, answeredAt });
      }
    } catch (error) {
      for (const { reject } of looks) reject(error);
    }
  }

  /**
   * What a value is sealed with: it opens under the same name and marks alone. A value under the older secret's name was
   * sealed by a replica that knows the older secret's marks alone.
   */
  function boundTo(names: Names, told: Told, marks: readonly string[], under = 0): readonly string[] {
    const { epoch, credential, team } = told;
    const all = [credential.marks, team.marks, marks].flatMap((each) => each.slice(under));
    return [names[under] ?? '', epoch, ...all];
  }

  /** Our moment of one of the store's, or a little before it: nothing is taken for younger than it is. */
  function momentOf(stored: number, { told, askedAt }: Seen): number {
    return askedAt - Math.max(0, told.now - stored);
  }

  /** The store's moment of one of ours, or a little before it. */
  function storedOf(moment: number, { told, answeredAt }: Seen): number {
    return Math.floor(told.now + moment - answeredAt);
  }

  function opened<Value>(read: GroupRead<Value>, names: Names, seen: Seen): Answered<Value> | undefined {
    const { told, resource } = seen;
    if (resource.state !== 'value') return undefined;
    const { sealed, marks, under, at } = resource;
    const text = seal.open(read.credential, sealed, boundTo(names, told, marks, under));
    if (text === undefined) return undefined;
    try {
      const answer = JSON.parse(text) as SealedAnswer;
      // Who can write to the store can change the moment beside what is sealed.
      if (answer.at !== at || at > told.now) return undefined;
      const [sentAt, answeredAt] = [momentOf(answer.sentAt, seen), momentOf(at, seen)];
      return { value: read.parse(answer.text), sentAt, answeredAt };
    } catch {
      return undefined;
    }
  }

  function failureIn({ credential }: GroupRead<unknown>, holder: string, sealed: Buffer): UpstreamError | undefined {
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

  function share<Value>(read: GroupRead<Value>, made: HeldCall, answered: Answered<Value>): void {
    const { lock, seen, marks } = made;
    const { value, sentAt, answeredAt } = answered;
    const at = storedOf(answeredAt, seen);
    const answer: SealedAnswer = { sentAt: storedOf(sentAt, seen), at, text: read.write(value) };
    const sealed = seal.seal(read.credential, JSON.stringify(answer), boundTo(lock.names, seen.told, marks));
    if (sealed.length <= maxBytes) {
      finish(read.credential, made, { kind: 'value', sealed, at, lifeMs: Math.ceil(read.lifeMs(value)) });
      return;
    }
    onLook('large');
    release(lock);
  }

  /** A failure of this process's own, such as no free slot, says nothing to others. */
  function shareFailure(credential: Credential, made: HeldCall, error: unknown): void {
    const { lock } = made;
    const isOwn =
      !(error instanceof UpstreamError) || error.kind === 'overloaded' || error.subject === 'operation';
    if (isOwn) release(lock);
    else finish(credential, made, { kind: 'failure', sealed: seal.seal(credential, textOfError(error), [lock.holder]) });
  }

  /** Nobody waits for it here: whoever cannot be told takes over when the lock has ended. */
  function finish(credential: Credential, made: HeldCall, outcome: Finished['outcome']): void {
    const { lock, ofTeam, seen, marks } = made;
    const { told } = seen;
    const finished: Finished = {
      ...lock,
      credential: { names: seal.names(credential, 'credential'), marks: told.credential.marks },
      team: { names: ofTeam, marks: told.team.marks },
      marks,
      epoch: told.epoch,
      outcome,
    };
    store.finish(finished).catch(() => undefined);
  }

  function release(lock: Lock): void {
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
    async read<Value>(read: GroupRead<Value>): Promise<Answered<Value>> {
      const { credential, teamId, resource, since, deadline } = read;
      const names = seal.names(credential, 'resource', teamId, resource);
      let waitsFor: string | undefined;
      let isInVain = false;
      for (;;) {
        const refusal = read.refusal();
        const holder = refusal === undefined ? randomUUID() : undefined;
        const seen = await look(read, names, { holder, waitsFor, isInVain }).catch(() => undefined);
        if (seen === undefined) {
          onLook('failed');
          if (refusal !== undefined) throw refusal;
          return read.call();
        }
        const { resource: found } = seen;
        switch (found.state) {
          case 'value': {
            const answered = opened(read, names, seen);
            if (answered !== undefined && answered.answeredAt >= since) {
              onLook(waitsFor === undefined ? 'hit' : 'waited');
              return answered;
            }
            if (answered === undefined) onLook('refused');
            isInVain = true;
            break;
          }
          case 'failed': {
            const error = waitsFor === undefined ? undefined : failureIn(read, waitsFor, found.sealed);
            if (error !== undefined) throw error;
            onLook('refused');
            waitsFor = undefined;
            break;
          }
          case 'held': {
            const leftMs = deadline - clock.monotonic();
            if (leftMs <= 0) throw new UpstreamError('timeout', 'no answer of the call of another replica');
            waitsFor = found.holder;
            // What comes now may do, whatever was there before.
            isInVain = false;
            await newsOf(names[0], Math.min(LOOK_MS, leftMs));
            break;
          }
          case 'mine': {
            onLook('miss');
            const lock = { names, holder: holder ?? '' };
            const ofTeam = seal.names(credential, 'team', teamId);
            return call(read, { lock, ofTeam, seen, marks: found.marks });
          }
          case 'none':
            if (refusal !== undefined) throw refusal;
            break;
          case 'look':
            break;
        }
      }
    },

    close: () => store.release([...held]),
  };
}
