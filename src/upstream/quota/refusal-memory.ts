import { LRUCache } from 'lru-cache';
import type { Clock } from '../../clock.ts';
import { UpstreamError } from '../errors.ts';
import type { Bar } from './bar.ts';

/** Whose call was refused, and what it asked for. */
export interface Refused {
  readonly credentialId: string;
  readonly teamId: string;
  /** Name of the resource within its team. */
  readonly resource: string;
}

/**
 * Remembers refusals shortly, so that a page whose reads are all refused costs a handful of calls and not a hundred at
 * each poll:
 *
 * - a 401, for the credential;
 * - a 429 that names no time, for the credential;
 * - a 403, for the team, once two different resources there were refused and no read was accepted between.
 *
 * The memory lasts for `CACHE_TTL_MS`, at least a second. Where a call is refused again after it, the next one lasts twice
 * as long, up to a minute. An accepted call ends it.
 */
export interface RefusalMemory {
  /**
   * Remembers the error, where it is a refusal of these kinds.
   * @returns for what; undefined where it is remembered already, or not to be
   */
  record(error: UpstreamError, by: Refused): 'credential' | 'team' | undefined;
  /**
   * Forgets what was remembered for the credential and the team.
   * @returns for which of them there was something
   */
  accepted(by: Pick<Refused, 'credentialId' | 'teamId'>): readonly ('credential' | 'team')[];
  /** What is remembered, over or not, until a call is accepted. @param teamId undefined for that of the credential */
  of(credentialId: string, teamId: string | undefined): Bar | undefined;
  /** Remembers what another replica does. */
  adopt(credentialId: string, teamId: string | undefined, refusal: Bar | undefined): void;
  /** @throws {UpstreamError} the refusal that is remembered */
  assertNone(by: Pick<Refused, 'credentialId' | 'teamId'>): void;
  /** The number of refusals that are remembered at the moment. */
  remembered(): number;
}

const LEAST_MS = 1_000;
const MOST_MS = 60_000;
/** Beyond that the refusal used least recently is forgotten; its credential is refused again at its next call. */
const MAX_REMEMBERED = 20_000;

/** @param ttlMs `CACHE_TTL_MS` */
export function createRefusalMemory(clock: Clock, ttlMs: number): RefusalMemory {
  const memories = new LRUCache<string, Bar>({ maxSize: MAX_REMEMBERED, sizeCalculation: () => 1 });
  /** The first resource of a team that was refused since a read was accepted there. */
  const firstRefused = new LRUCache<string, string>({ maxSize: MAX_REMEMBERED, sizeCalculation: () => 1 });

  /** @returns whether it was not remembered before */
  function remember(name: string, error: UpstreamError): boolean {
    const now = clock.monotonic();
    const last = memories.get(name);
    // Calls that were under way together are refused together, which is one refusal.
    if (last !== undefined && now < last.until) return false;
    const lastsMs = last?.lastsMs === undefined ? Math.max(LEAST_MS, ttlMs) : 2 * last.lastsMs;
    const bounded = Math.min(MOST_MS, lastsMs);
    memories.set(name, { error, until: now + bounded, lastsMs: bounded });
    return true;
  }

  function assertNotRemembered(name: string): void {
    const memory = memories.get(name);
    const leftMs = memory === undefined ? 0 : memory.until - clock.monotonic();
    if (memory === undefined || leftMs <= 0) return;
    const { kind, subject, details } = memory.error;
    throw new UpstreamError(kind, 'refused lately', {
      ...(subject === 'quota' ? { retryAfterSeconds: Math.ceil(leftMs / 1000) } : {}),
      ...(details === undefined ? {} : { details }),
    });
  }

  return {
    record(error, { credentialId, teamId, resource }) {
      const isOfCredential =
        error.subject === 'credential' || (error.subject === 'quota' && (error.retryAfterSeconds ?? 0) <= 0);
      if (isOfCredential && remember(credentialId, error)) return 'credential';
      if (error.kind !== 'forbidden') return undefined;
      const team = teamName(credentialId, teamId);
      const first = firstRefused.get(team);
      if (first === undefined) firstRefused.set(team, resource);
      return first !== undefined && first !== resource && remember(team, error) ? 'team' : undefined;
    },

    accepted({ credentialId, teamId }) {
      if (memories.size === 0 && firstRefused.size === 0) return NONE;
      const team = teamName(credentialId, teamId);
      firstRefused.delete(team);
      return [
        ...(memories.delete(credentialId) ? ['credential' as const] : []),
        ...(memories.delete(team) ? ['team' as const] : []),
      ];
    },

    of: (credentialId, teamId) => memories.peek(nameOf(credentialId, teamId)),

    adopt(credentialId, teamId, refusal) {
      const name = nameOf(credentialId, teamId);
      if (refusal === undefined) memories.delete(name);
      else memories.set(name, refusal);
    },

    assertNone({ credentialId, teamId }) {
      // Mostly nobody was refused, and no name is made.
      if (memories.size === 0) return;
      assertNotRemembered(credentialId);
      assertNotRemembered(teamName(credentialId, teamId));
    },

    remembered() {
      const now = clock.monotonic();
      let count = 0;
      for (const { until } of memories.values()) if (until > now) count++;
      return count;
    },
  };
}

/** Shared by all calls that end no memory, which are nearly all. */
const NONE: readonly [] = [];

function nameOf(credentialId: string, teamId: string | undefined): string {
  return teamId === undefined ? credentialId : teamName(credentialId, teamId);
}

function teamName(credentialId: string, teamId: string): string {
  return `${credentialId}/${teamId}`;
}
