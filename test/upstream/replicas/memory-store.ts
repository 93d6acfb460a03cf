import type { Clock } from '../../../src/clock.ts';
import {
  type Asked,
  type Foreseen,
  type Lock,
  LOCK_MS,
  type Names,
  type SharedStore,
  type Standing,
  type ToldResource,
} from '../../../src/upstream/replicas/shared-store.ts';

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const OUTCOME_MS = 5_000;
const MARK_MS = 30 * MINUTE_MS;
const REPLICA_GONE_MS = 5_000;

/** What replicas share, held in memory on an injected clock: the same promises as Redis, none of its troubles. */
export interface MemoryWorld {
  /** The store as one replica sees it. */
  storeOf(replica: string): SharedStore;
  /** Forgets everything, as a Redis that was emptied. */
  empty(): void;
  /** Moves the clock of the store, which then differs from that of the replicas. */
  stepClock(ms: number): void;
  /** Every key with every value, as who can read the store sees them. */
  dump(): readonly (readonly [key: string, value: string])[];
}

interface Entry {
  value: unknown;
  until: number;
}

interface KeptStanding {
  readonly version: string;
  readonly at: number;
  readonly sealed: Buffer;
}

interface KeptValue {
  readonly at: number;
  readonly sealed: Buffer;
}

type Foretold = Readonly<Record<string, readonly [at: number, foreseen: Foreseen]>>;

/** @param nextMark gives random texts, no two alike */
export function createMemoryWorld(clock: Pick<Clock, 'monotonic'>, nextMark: () => string): MemoryWorld {
  const entries = new Map<string, Entry>();
  const listeners: ((names: readonly string[] | undefined) => void)[] = [];
  let steppedMs = 0;

  /** The store's clock counts from another moment than the replicas' clocks. */
  const now = (): number => Math.floor(clock.monotonic()) + 1_000_000_000 + steppedMs;

  function get<Value>(key: string): Value | undefined {
    const entry = entries.get(key);
    if (entry === undefined || entry.until <= now()) return undefined;
    return entry.value as Value;
  }

  function set(key: string, value: unknown, lifeMs: number): void {
    entries.set(key, { value, until: now() + lifeMs });
  }

  function epoch(): string {
    const known = get<{ at: number; epoch: string }>('clock');
    const present = known === undefined || now() < known.at ? nextMark() : known.epoch;
    set('clock', { at: now(), epoch: present }, 24 * HOUR_MINUTES * MINUTE_MS);
    return present;
  }

  function marksOf(kind: 'k' | 'v', names: Names): readonly string[] {
    return names.map((name) => {
      const key = `m:${kind}:${name}`;
      const mark = get<string>(key) ?? nextMark();
      set(key, mark, MARK_MS);
      return mark;
    });
  }

  function standingOf(names: Names): Standing {
    const kept = names.map((name) => get<KeptStanding>(`s:${name}`));
    const latest = kept.reduce((best, each) => ((each?.at ?? -1) > (best?.at ?? -1) ? each : best), undefined);
    return {
      marks: marksOf('k', names),
      version: kept.map((each) => each?.version ?? '').join(','),
      remembered: latest && { sealed: latest.sealed, under: kept.indexOf(latest) },
    };
  }

  function count(hour: Names, calls: number): void {
    const minute = Math.floor(now() / MINUTE_MS);
    for (const name of hour) {
      const counts = get<Map<number, number>>(`h:${name}`) ?? new Map<number, number>();
      counts.set(minute, (counts.get(minute) ?? 0) + calls);
      set(`h:${name}`, counts, (HOUR_MINUTES + 2) * MINUTE_MS);
    }
  }

  function holds({ names, holder }: Lock): boolean {
    return names.every((name) => get(`l:${name}`) === holder);
  }

  function letGo({ names, holder }: Lock): void {
    for (const name of names) if (get(`l:${name}`) === holder) entries.delete(`l:${name}`);
  }

  function tell(names: readonly string[]): void {
    for (const listener of listeners) listener(names);
  }

  function askFor(
    { names, since, holder, waitsFor }: Asked['resources'][number],
    isKnown: boolean,
    hour: Names,
  ): ToldResource {
    const marks = marksOf('v', names);
    const kept = names.map((name) => get<KeptValue>(`v:${name}`));
    const best = kept.reduce((best, each) => ((each?.at ?? -1) > (best?.at ?? -1) ? each : best), undefined);
    if (best !== undefined && best.at >= since)
      return { state: 'value', marks, under: kept.indexOf(best), at: best.at, sealed: best.sealed };
    const sealed = waitsFor === undefined ? undefined : get<Buffer>(`o:${waitsFor}`);
    if (sealed !== undefined) return { state: 'failed', sealed };
    const holding = names.map((name) => get<string>(`l:${name}`)).find((each) => each !== undefined);
    if (holding !== undefined) return { state: 'held', holder: holding };
    if (holder === undefined) return { state: 'none' };
    if (!isKnown) return { state: 'look' };
    for (const name of names) set(`l:${name}`, holder, LOCK_MS);
    count(hour, 1);
    return { state: 'mine', marks };
  }

  function storeOf(replica: string): SharedStore {
    return {
      ask({ credential, team, hour, resources }) {
        const present = epoch();
        const told = { credential: standingOf(credential.names), team: standingOf(team.names) };
        const isKnown =
          credential.version === told.credential.version && team.version === told.team.version;
        return Promise.resolve({
          now: now(),
          epoch: present,
          ...told,
          resources: resources.map((each) => askFor(each, isKnown, hour)),
        });
      },

      finish(finished) {
        const { names, credential, team, marks, outcome } = finished;
        const isCurrent =
          finished.epoch === epoch() &&
          same(credential.marks, marksOf('k', credential.names)) &&
          same(team.marks, marksOf('k', team.names)) &&
          same(marks, marksOf('v', names));
        if (outcome.kind === 'value') {
          const before = get<KeptValue>(`v:${names[0]}`);
          const { at, sealed, lifeMs } = outcome;
          if (isCurrent && (before === undefined || before.at <= at))
            set(`v:${names[0]}`, { at, sealed }, lifeMs);
        } else if (holds(finished)) set(`o:${finished.holder}`, outcome.sealed, OUTCOME_MS);
        letGo(finished);
        tell(names);
        return Promise.resolve();
      },

      renew(locks) {
        for (const lock of locks) {
          if (holds(lock)) for (const name of lock.names) set(`l:${name}`, lock.holder, LOCK_MS);
        }
        return Promise.resolve();
      },

      release(locks) {
        for (const lock of locks) {
          letGo(lock);
          tell(lock.names);
        }
        return Promise.resolve();
      },

      change({ marks, standing }) {
        for (const { of, names } of marks) {
          for (const name of names) {
            set(`m:${of === 'resource' ? 'v' : 'k'}:${name}`, nextMark(), MARK_MS);
            if (of === 'resource') entries.delete(`v:${name}`);
          }
        }
        const version = nextMark();
        standing?.names.forEach((name, n) =>
          set(`s:${name}`, { version, at: now(), sealed: standing.sealed[n] }, standing.lifeMs),
        );
        tell([...marks.flatMap(({ names }) => names), ...(standing?.names ?? [])]);
        return Promise.resolve();
      },

      count(hour, exchanges) {
        count(hour, exchanges);
        return Promise.resolve();
      },

      report(reports) {
        const replicas = { ...get<Record<string, number>>('replicas'), [replica]: now() };
        const isThere = ([, at]: [string, number]): boolean => at <= now() && now() - at <= REPLICA_GONE_MS;
        const present = Object.fromEntries(Object.entries(replicas).filter(isThere));
        set('replicas', present, REPLICA_GONE_MS);
        const oldest = Math.floor(now() / MINUTE_MS) - HOUR_MINUTES;
        const hours = reports.map(({ hour, foreseen, from, remembered }) => {
          const calls = new Map<number, number>();
          for (const name of hour) {
            const counts = get<Map<number, number>>(`h:${name}`) ?? new Map<number, number>();
            for (const [minute, known] of remembered)
              if (minute >= oldest) counts.set(minute, Math.max(known, counts.get(minute) ?? 0));
            if (counts.size > 0) set(`h:${name}`, counts, (HOUR_MINUTES + 2) * MINUTE_MS);
            for (const [minute, known] of counts)
              if (minute >= Math.max(from, oldest)) calls.set(minute, Math.max(calls.get(minute) ?? 0, known));
          }
          const key = `d:${hour.at(-1)}`;
          const foretold: Foretold = { ...get<Foretold>(key), [replica]: [now(), foreseen] };
          set(key, foretold, REPLICA_GONE_MS);
          const lately = Object.values(foretold).filter(([at]) => at <= now() && now() - at <= REPLICA_GONE_MS);
          const sum = (of: keyof Foreseen): number => lately.reduce((total, [, each]) => total + each[of], 0);
          return {
            calls,
            foreseen: { misses: sum('misses'), refreshes: sum('refreshes'), resyncs: sum('resyncs') },
          };
        });
        return Promise.resolve({ now: now(), replicas: Object.keys(present).length, hours });
      },

      onNews: (listener) => void listeners.push(listener),

      close: () => Promise.resolve(),
    };
  }

  return {
    storeOf,
    empty: () => entries.clear(),
    stepClock: (ms) => (steppedMs += ms),
    dump: () =>
      [...entries].map(([key, { value }]) => [
        key,
        Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value),
      ]),
  };
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((mark, n) => mark === other[n]);
}
