import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import type { Credential } from '../credentials.ts';
import type { UpstreamError } from '../errors.ts';
import type { Standings } from './group-reads.ts';
import type { Seal } from './seal.ts';
import { errorIn, textOfError } from './sealed-errors.ts';
import type { Names, SharedStore, Standing, Told } from './shared-store.ts';

/** Why no call is made for a credential or in a team for a while. Moments are monotonic milliseconds of this process. */
export interface Bar {
  readonly error: UpstreamError;
  readonly until: number;
  /** How long it lasts, which doubles where another refusal follows it. Undefined for a retry-after gate. */
  readonly lastsMs: number | undefined;
}

/** What bars are told to, when the group knows others than this replica. */
export interface Barred {
  /** Takes over the bars of the credential, or of the team where one is given. None where the list is empty. */
  adopt(credentialId: string, teamId: string | undefined, bars: readonly Bar[]): void;
}

/**
 * Gates and remembered refusals of the group: what one replica was refused, no other asks for. Each is sealed for its
 * credential, so that who can write to the store can neither invent one nor read it. Moments are kept on the store's clock.
 */
export interface GroupStandings extends Standings {
  /** Tells the other replicas. @param teamId undefined for what bars the whole credential */
  tell(credential: Credential, teamId: string | undefined, bars: readonly Bar[]): void;
}

export interface GroupStandingsDeps {
  readonly store: Pick<SharedStore, 'change'>;
  readonly seal: Seal;
  readonly clock: Pick<Clock, 'monotonic'>;
  readonly barred: Barred;
}

interface SealedBar {
  readonly error: string;
  readonly until: number;
  readonly lastsMs?: number;
}

const MAX_KNOWN = 20_000;

export function createGroupStandings({ store, seal, clock, barred }: GroupStandingsDeps): GroupStandings {
  /** The version that was adopted last, by the present secret's name. */
  const versions = new LRUCache<string, string>({ maxSize: MAX_KNOWN, sizeCalculation: () => 1 });
  /** Milliseconds by which the store's clock is ahead of ours, or a little less. */
  let ahead = 0;

  function namesOf(credential: Credential, teamId: string | undefined): Names {
    return teamId === undefined ? seal.names(credential, 'credential') : seal.names(credential, 'team', teamId);
  }

  function adopt(credential: Credential, teamId: string | undefined, { version, remembered }: Standing): void {
    const names = namesOf(credential, teamId);
    if (versions.get(names[0]) === version) return;
    versions.set(names[0], version);
    const text =
      remembered && seal.open(credential, remembered.sealed, [names[remembered.under] ?? '', 'standing']);
    if (text === undefined) return;
    const bars = (JSON.parse(text) as readonly SealedBar[]).map(
      ({ error, until, lastsMs }): Bar => ({ error: errorIn(error), until: until - ahead, lastsMs }),
    );
    barred.adopt(credential.id, teamId, bars);
  }

  return {
    versionOf: (name) => versions.get(name) ?? '',

    learn(credential, teamId, told: Told) {
      ahead = told.now - clock.monotonic();
      adopt(credential, undefined, told.credential);
      adopt(credential, teamId, told.team);
    },

    tell(credential, teamId, bars) {
      const names = namesOf(credential, teamId);
      const text = JSON.stringify(
        bars.map(
          ({ error, until, lastsMs }): SealedBar => ({
            error: textOfError(error),
            until: Math.ceil(until + ahead),
            ...(lastsMs === undefined ? {} : { lastsMs }),
          }),
        ),
      );
      const lifeMs = Math.max(0, ...bars.map(({ until }) => until - clock.monotonic()));
      const sealed = names.map((name) => seal.seal(credential, text, [name, 'standing']));
      store.change({ marks: [], standing: { names, sealed, lifeMs: Math.ceil(lifeMs) } }).catch(() => undefined);
    },
  };
}
