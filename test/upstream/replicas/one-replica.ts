import { type Credential, parseCredential } from '../../../src/upstream/credentials.ts';
import {
  createGroupReads,
  type GroupRead,
  type GroupReads,
  type LookResult,
} from '../../../src/upstream/replicas/group-reads.ts';
import {
  createGroupStandings,
  type GroupStandings,
  type Member,
} from '../../../src/upstream/replicas/group-standings.ts';
import { createSeal } from '../../../src/upstream/replicas/seal.ts';
import type { Names, SharedStore } from '../../../src/upstream/replicas/shared-store.ts';
import { createManualClock, type ManualClock } from '../../support/manual-clock.ts';
import { id } from '../../support/records.ts';
import { createMemoryWorld, type MemoryWorld } from './memory-store.ts';

export const SECRET = 'a secret of thirty-two characters';
export const TEAM = id('1');

/** One replica, from its shared reads to the store. */
export interface Scene {
  readonly clock: ManualClock;
  readonly world: MemoryWorld;
  readonly looks: LookResult[];
  /** What a replica was made to do by what it learned. */
  readonly learned: string[];
  readonly store: SharedStore;
  readonly reads: GroupReads;
  readonly standings: GroupStandings;
  names(credential: Credential, ...parts: readonly string[]): Names;
}

/** @param world of the replica before it; without one it is the first */
export function scene(secret = SECRET, clock = createManualClock(), world?: MemoryWorld): Scene {
  let marks = 0;
  const shared = world ?? createMemoryWorld(clock, () => `mark-${++marks}`);
  const store = shared.storeOf(world === undefined ? 'first' : 'second');
  const seal = createSeal([secret], 'http://rest.test/');
  const looks: LookResult[] = [];
  const learned: string[] = [];
  const note = (what: string) => () => void learned.push(what);
  const member: Member = {
    adopt: note('adopt'),
    adoptTeam: note('adoptTeam'),
    drop: note('drop'),
    forget: note('forget'),
    happened: note('happened'),
  };
  const onLook = (result: LookResult): void => void looks.push(result);
  const standings = createGroupStandings({ store, seal, clock, member, onRefused: () => onLook('refused') });
  const reads = createGroupReads({ store, seal, clock, standings, onLook, onCounted: () => undefined });
  return { clock, world: shared, looks, learned, store, reads, standings, names: seal.names };
}

function credential(token: string): Credential {
  const parsed = parseCredential(`Bearer ${token}`);
  if (parsed === undefined) throw new Error(`${token} is no token`);
  return parsed;
}

export const ALICE = credential('the-token-of-alice');
export const BOB = credential('the-token-of-bob');

export function reading(
  of: Credential,
  resource: string,
  read: Partial<GroupRead<string>> = {},
): GroupRead<string> {
  return {
    credential: of,
    teamId: TEAM,
    resource,
    since: 0,
    suits: () => true,
    form: { write: (text) => text, parse: (text) => text, lifeMs: () => 60_000 },
    deadline: Infinity,
    refusal: () => undefined,
    isTrial: () => false,
    call: () => Promise.reject(new Error('no call is to be made')),
    ...read,
  };
}

/** Has the replica read and share it. */
export async function shared(
  { reads, clock }: Scene,
  of: Credential,
  resource: string,
  value: string,
): Promise<void> {
  const now = clock.monotonic();
  const call = () => Promise.resolve({ value, sentAt: now, answeredAt: now, fetchedAt: 'then' });
  await reads.read(reading(of, resource, { call }));
  await turn();
}

export async function turn(): Promise<void> {
  for (let n = 0; n < 3; n++) await new Promise((resolve) => setImmediate(resolve));
}
