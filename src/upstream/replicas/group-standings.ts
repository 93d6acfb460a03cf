import { randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import type { Credential } from '../credentials.ts';
import type { Bar } from '../quota/bar.ts';
import type { Seal } from './seal.ts';
import { errorIn, textOfError } from './sealed-errors.ts';
import type { Changed, ChangedResource, Names, SharedStore, Standing, Told } from './shared-store.ts';

/** What is known of a credential, whatever the team. */
export interface CredentialStanding {
  /** The closed retry-after gate. */
  readonly gate: Bar | undefined;
  /** The refusal that is remembered. */
  readonly refusal: Bar | undefined;
  /** Calls an hour, where the REST API has told them. */
  readonly limit: number | undefined;
}

export interface TeamStanding {
  readonly refusal: Bar | undefined;
}

/** Something that happened to resources of a team. `refused`: a 403 of a read. `changed`: a write changed them, or may have. */
export interface TeamEvent {
  readonly kind: 'refused' | 'changed';
  /** Names within the team. */
  readonly resources: readonly string[];
}

/** What the rest of this replica does when the group knows more than it does. */
export interface Member {
  adopt(credential: Credential, standing: CredentialStanding): void;
  adoptTeam(credential: Credential, teamId: ResourceId, standing: TeamStanding): void;
  /** After a 401 elsewhere: drops everything that is kept for the credential. */
  drop(credential: Credential): void;
  /** Where nobody can say what has happened: everything that is kept for the credential is asked for again. */
  forget(credential: Credential): void;
  /** After a 403 or a write elsewhere. */
  happened(credential: Credential, teamId: ResourceId, event: TeamEvent): void;
}

/**
 * What the group knows of a credential, and of its teams: gates, remembered refusals, the told limit, and what refusals and
 * writes have made another. What one replica was told, no other asks for, and none shows what another one saw refused or
 * changed. All of it is sealed for its credential, so who can write to the store can neither invent nor read it.
 *
 * **Marks and versions.** A refusal makes another mark, to which no value of before is bound. Everything that is told makes
 * another version. The history of a team says what happened from version to version. A replica applies what it has missed
 * since the version that it knows. Where the history does not lead from there to the present version, because marks were
 * lost or two replicas changed it at once, nobody can say what happened: then all that depends on it is asked for again.
 */
export interface GroupStandings {
  /** The version that is known of a credential's or team's standing, by its present name. */
  versionOf(name: string): string;
  /** Takes in what the store told. */
  learn(credential: Credential, teamId: ResourceId, told: Told): void;
  /** @param isDropped whether a 401 has dropped everything that was kept for the credential */
  tell(credential: Credential, standing: CredentialStanding, isDropped?: boolean): void;
  tellTeam(credential: Credential, teamId: ResourceId, standing: TeamStanding, event?: TeamEvent): void;
  /** Whether a refusal or a write could not be told yet. */
  hasUntold(credential: Credential, teamId: ResourceId): boolean;
  /** Tells what could not be told while the store was away. */
  catchUp(): void;
}

export interface GroupStandingsDeps {
  readonly store: Pick<SharedStore, 'change'>;
  readonly seal: Seal;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly member: Member;
  /** Called where what is remembered does not open. */
  readonly onRefused: () => void;
}

interface SealedBar {
  readonly error: string;
  readonly until: number;
  readonly lastsMs?: number | undefined;
}

interface SealedCredential {
  readonly gate?: SealedBar | undefined;
  readonly refusal?: SealedBar | undefined;
  readonly limit?: number | undefined;
  /** The mark that the last 401 made. */
  readonly droppedBy?: string | undefined;
}

interface SealedEvent extends TeamEvent {
  readonly version: string;
  /** The version before it, as its teller knew it. */
  readonly after: string;
  /** The mark that a refusal made. */
  readonly mark?: string | undefined;
}

interface SealedTeam {
  readonly refusal?: SealedBar | undefined;
  readonly history: readonly SealedEvent[];
}

/** What was taken in last of a credential or team, by its present name. */
interface Seen {
  readonly version: string;
  readonly previous: string;
  readonly mark: string;
  readonly history: readonly SealedEvent[];
  readonly droppedBy: string | undefined;
}

const MAX_SEEN = 20_000;
const MAX_HISTORY = 50;

export function createGroupStandings(deps: GroupStandingsDeps): GroupStandings {
  const { store, seal, clock, member, onRefused } = deps;
  const seen = new LRUCache<string, Seen>({ maxSize: MAX_SEEN, sizeCalculation: () => 1 });
  /** What will be seen when the present changes are done, by name. Changes of one turn follow each other. */
  const sent = new Map<string, Seen>();
  /** Marks that could not be told, by name. Whoever learns of them later asks for everything again. */
  const untold = new LRUCache<string, Changed>({ maxSize: MAX_SEEN, sizeCalculation: () => 1 });
  /** Milliseconds by which the store's clock is ahead of ours, or a little less. */
  let ahead = 0;

  const ofCredential = (credential: Credential): Names => seal.names(credential, 'credential');
  const ofTeam = (credential: Credential, teamId: ResourceId): Names =>
    seal.names(credential, 'team', teamId);

  function latest(name: string): Seen | undefined {
    return sent.get(name) ?? seen.get(name);
  }

  function barIn(bar: SealedBar | undefined): Bar | undefined {
    return bar && { error: errorIn(bar.error), until: bar.until - ahead, lastsMs: bar.lastsMs };
  }

  function sealedBar(bar: Bar | undefined): SealedBar | undefined {
    if (bar === undefined) return undefined;
    const { error, until, lastsMs } = bar;
    return { error: textOfError(error), until: Math.ceil(until + ahead), lastsMs };
  }

  /** What is remembered, where it opens and makes sense. */
  function remembered(credential: Credential, names: Names, standing: Standing): unknown {
    if (standing.remembered === undefined) return undefined;
    const { sealed, under } = standing.remembered;
    const text = seal.open(credential, sealed, [names[under] ?? '', 'standing']);
    if (text !== undefined) return JSON.parse(text);
    onRefused();
    return undefined;
  }

  function learnCredential(credential: Credential, standing: Standing): void {
    const names = ofCredential(credential);
    const { version, previous, marks } = standing;
    const [mark = ''] = marks;
    const known = seen.get(names[0]);
    if (known?.version === version && known.mark === mark) return;
    const told = remembered(credential, names, standing) as SealedCredential | undefined;
    seen.set(names[0], { version, previous, mark, history: [], droppedBy: told?.droppedBy });
    if (told !== undefined) {
      const { gate, refusal, limit } = told;
      member.adopt(credential, { gate: barIn(gate), refusal: barIn(refusal), limit });
    }
    if (known === undefined || known.mark === mark) return;
    if (told?.droppedBy === mark) member.drop(credential);
    else member.forget(credential);
  }

  function learnTeam(credential: Credential, teamId: ResourceId, standing: Standing): void {
    const names = ofTeam(credential, teamId);
    const { version, previous, marks } = standing;
    const [mark = ''] = marks;
    const known = seen.get(names[0]);
    if (known?.version === version && known.mark === mark && known.previous === previous) return;
    const told = remembered(credential, names, standing) as SealedTeam | undefined;
    const history = told?.history ?? [];
    seen.set(names[0], { version, previous, mark, history, droppedBy: undefined });
    if (told !== undefined) member.adoptTeam(credential, teamId, { refusal: barIn(told.refusal) });
    if (known === undefined) return;
    const missed = eventsSince(known, standing, history);
    if (missed === undefined) member.forget(credential);
    else for (const event of missed) member.happened(credential, teamId, event);
  }

  /** Changes the marks in the store, and takes note of them once that is done. */
  function change(
    credential: Credential,
    names: Names,
    changed: Omit<Changed, 'of' | 'standing'>,
    standing: SealedCredential | SealedTeam,
    lifeMs: number,
  ): void {
    const text = JSON.stringify(standing);
    const sealed = names.map((name) => seal.seal(credential, text, [name, 'standing']));
    const [name] = names;
    const before = latest(name);
    const after: Seen = {
      version: changed.version,
      previous: before?.version ?? '',
      mark: changed.marks?.[0] ?? before?.mark ?? '',
      history: 'history' in standing ? standing.history : [],
      droppedBy: 'droppedBy' in standing ? standing.droppedBy : undefined,
    };
    const settled = (): void => {
      if (sent.get(name) === after) sent.delete(name);
    };
    sent.set(name, after);
    store.change({ of: names, ...changed, standing: { sealed, lifeMs: Math.ceil(lifeMs) } }).then(
      () => {
        settled();
        seen.set(name, after);
      },
      () => {
        settled();
        if (changed.marks === undefined && changed.resources === undefined) return;
        const { resources = [], marks } = untold.get(name) ?? {};
        const all = [...resources, ...(changed.resources ?? [])].slice(-MAX_HISTORY);
        untold.set(name, { of: names, ...changed, marks: changed.marks ?? marks, resources: all });
      },
    );
  }

  return {
    versionOf: (name) => seen.get(name)?.version ?? '',

    learn(credential, teamId, told) {
      ahead = told.now - clock.monotonic();
      learnCredential(credential, told.credential);
      learnTeam(credential, teamId, told.team);
    },

    tell(credential, { gate, refusal, limit }, isDropped = false) {
      const names = ofCredential(credential);
      const mark = newMark();
      const droppedBy = isDropped ? mark : latest(names[0])?.droppedBy;
      const standing = { gate: sealedBar(gate), refusal: sealedBar(refusal), limit, droppedBy };
      const marks = isDropped ? names.map(() => mark) : undefined;
      change(credential, names, { version: newMark(), marks }, standing, lifeOf(gate, refusal));
    },

    tellTeam(credential, teamId, { refusal }, event) {
      const names = ofTeam(credential, teamId);
      const known = latest(names[0]);
      const version = newMark();
      const mark = event?.kind === 'refused' ? newMark() : undefined;
      const entry: SealedEvent = {
        kind: event?.kind ?? 'changed',
        resources: event?.resources ?? [],
        version,
        after: known?.version ?? '',
        mark,
      };
      const history = [...(known?.history ?? []), entry].slice(-MAX_HISTORY);
      const resources = event?.resources.map((resource): ChangedResource => {
        const ofResource = seal.names(credential, 'resource', teamId, resource);
        return { names: ofResource, marks: ofResource.map(newMark) };
      });
      const marks = mark === undefined ? undefined : names.map(() => mark);
      const standing = { refusal: sealedBar(refusal), history };
      change(credential, names, { version, marks, resources }, standing, lifeOf(refusal));
    },

    hasUntold(credential, teamId) {
      if (untold.size === 0) return false;
      return untold.has(ofCredential(credential)[0]) || untold.has(ofTeam(credential, teamId)[0]);
    },

    catchUp() {
      for (const [name, changed] of [...untold.entries()]) {
        store.change(changed).then(
          () => untold.delete(name),
          () => undefined,
        );
      }
    },
  };

  function lifeOf(...bars: readonly (Bar | undefined)[]): number {
    const now = clock.monotonic();
    return Math.max(0, ...bars.map((bar) => (bar === undefined ? 0 : bar.until - now)));
  }
}

/** What has happened since a version was seen; undefined where the history does not say. */
function eventsSince(
  known: Seen,
  { version, previous, marks }: Standing,
  history: readonly SealedEvent[],
): readonly SealedEvent[] | undefined {
  const [mark] = marks;
  if (known.version === version) return known.previous === previous && known.mark === mark ? [] : undefined;
  const from = history.findIndex(({ after }) => after === known.version);
  const missed = from < 0 ? [] : history.slice(from);
  const last = missed.at(-1);
  if (last?.version !== version || last.after !== previous) return undefined;
  const isChain = missed.every((event, n) => n === 0 || event.after === missed[n - 1]?.version);
  const expectedMark = missed.findLast((event) => event.mark !== undefined)?.mark ?? known.mark;
  return isChain && expectedMark === mark ? missed : undefined;
}

function newMark(): string {
  return randomBytes(16).toString('base64url');
}
