import type { Clock } from '../../../src/clock.ts';
import type { Foreseen } from '../../../src/upstream/quota/demand.ts';
import {
  type Asked,
  type Hour,
  type Lock,
  LOCK_MS,
  type Names,
  type News,
  type Report,
  type SharedStore,
  type Standing,
  type ToldResource,
} from '../../../src/upstream/replicas/shared-store.ts';

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const OUTCOME_MS = 5_000;
const STANDING_MS = 30 * MINUTE_MS;
const MARK_MS = 5 * MINUTE_MS;
const FORESEEN_MS = 15_000;
const STRETCH_MS = 900;
const REPLICA_GONE_MS = 5_000;

/** What replicas share, held in memory on an injected clock: the same promises as Redis, none of its troubles. */
export interface MemoryWorld {
  /** The store as one replica sees it. */
  storeOf(replica: string): SharedStore;
  /** Forgets everything, as a Redis that was emptied. */
  empty(): void;
  /** Forgets one thing, as a Redis that is full. @param n chooses it */
  evict(n: number): void;
  /** Moves the clock of the store, which then differs from that of the replicas. */
  stepClock(ms: number): void;
  /** What is sealed, by its key. */
  sealed(): ReadonlyMap<string, Buffer>;
  /** Puts other bytes into the place of what is sealed there. */
  forge(key: string, sealed: Buffer): void;
  /** Says of a value that it was given so much later. */
  forgeMoment(key: string, laterMs: number): void;
  /** Every key with every value, as who can read the store sees them. */
  dump(): readonly (readonly [key: string, value: string])[];
}

interface Entry {
  value: unknown;
  until: number;
}

interface KeptStanding {
  readonly at: number;
  readonly sealed: Buffer;
}

interface Version {
  readonly version: string;
  readonly previous: string;
}

interface KeptHour {
  readonly generation: string;
  revision: number;
  readonly calls: Map<number, number>;
}

interface KeptValue {
  readonly at: number;
  readonly sealed: Buffer;
}

type Foretold = Readonly<Record<string, readonly [at: number, foreseen: Foreseen]>>;

/** @param nextMark gives random texts, no two alike */
export function createMemoryWorld(clock: Pick<Clock, 'monotonic'>, nextMark: () => string): MemoryWorld {
  const entries = new Map<string, Entry>();
  const listeners = new Set<{ readonly replica: string; hear(news: News): void }>();
  let steppedMs = 0;

  /** The store's clock counts from another moment than the replicas' clocks. */
  const now = (): number => Math.floor(clock.monotonic()) + 1_000_000_000 + steppedMs;

  // Each key has values of one type.
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
  function get<Value>(key: string): Value | undefined {
    const entry = entries.get(key);
    if (entry === undefined || entry.until <= now()) return undefined;
    return entry.value as Value;
  }

  function set(key: string, value: unknown, lifeMs: number): void {
    entries.set(key, { value, until: now() + lifeMs });
  }

  /** Lets it expire no sooner than it would. */
  function setAtLeast(key: string, value: unknown, lifeMs: number): void {
    set(key, value, Math.max(lifeMs, (entries.get(key)?.until ?? 0) - now()));
  }

  function epoch(): string {
    const known = get<{ at: number; epoch: string }>('clock');
    const present = known === undefined || now() < known.at ? nextMark() : known.epoch;
    set('clock', { at: now(), epoch: present }, 24 * HOUR_MINUTES * MINUTE_MS);
    return present;
  }

  function marksOf(kind: 'k' | 'm', names: Names): readonly string[] {
    const lifeMs = kind === 'k' ? STANDING_MS : MARK_MS;
    const marks = names.map((name) => {
      const mark = get<string>(`${kind}:${name}`) ?? nextMark();
      setAtLeast(`${kind}:${name}`, mark, lifeMs);
      return mark;
    });
    if (names.length === 1) return marks;
    const known = get<readonly string[]>(`x:${names[0]}`);
    const [isOther, isOtherToo] = marks.map((mark, n) => known?.[n] !== mark);
    if (known !== undefined && isOther !== isOtherToo) {
      const kept = isOther === true ? 1 : 0;
      marks[kept] = nextMark();
      setAtLeast(`${kind}:${names[kept] ?? ''}`, marks[kept], lifeMs);
    }
    set(`x:${names[0]}`, marks, STANDING_MS);
    return marks;
  }

  function standingOf(names: Names): Standing {
    const kept = names.map((name) => get<KeptStanding>(`s:${name}`));
    const latest = kept.reduce(
      (best, each) => ((each?.at ?? -1) > (best?.at ?? -1) ? each : best),
      undefined,
    );
    return {
      marks: marksOf('k', names),
      version: once(names.map((name) => get<Version>(`version:${name}`)?.version ?? '')),
      previous: once(names.map((name) => get<Version>(`version:${name}`)?.previous ?? '')),
      remembered: latest && { sealed: latest.sealed, under: kept.indexOf(latest) },
    };
  }

  function keep(names: Names, { at, sealed, lifeMs }: KeptValue & { readonly lifeMs: number }): void {
    set(`v:${names[0]}`, { at, sealed }, lifeMs);
    for (const name of names) setAtLeast(`m:${name}`, get<string>(`m:${name}`), lifeMs);
  }

  function hourOf(name: string): KeptHour {
    const known = get<KeptHour>(`h:${name}`) ?? {
      generation: nextMark(),
      revision: 0,
      calls: new Map<number, number>(),
    };
    set(`h:${name}`, known, (HOUR_MINUTES + 2) * MINUTE_MS);
    const oldest = minuteNow() - HOUR_MINUTES;
    for (const minute of known.calls.keys()) if (minute < oldest) known.calls.delete(minute);
    return known;
  }

  function minuteNow(): number {
    return Math.floor(now() / MINUTE_MS);
  }

  function add(hour: KeptHour, minute: number, calls: number): void {
    if (minute < minuteNow() - HOUR_MINUTES || minute > minuteNow()) return;
    hour.calls.set(minute, (hour.calls.get(minute) ?? 0) + calls);
    if (minute < minuteNow()) hour.revision++;
  }

  function revise(hour: KeptHour, { added, restored, told }: Report): void {
    for (const [minute, calls] of added) add(hour, minute, calls);
    for (const [minute, known] of restored) {
      const counted = hour.calls.get(minute) ?? 0;
      if (known > counted) add(hour, minute, known - counted);
    }
    if (told === undefined) return;
    const total = sum(hour.calls.values());
    if (total < told.least) add(hour, minuteNow(), told.least - total);
    let excess = total - told.most;
    for (const [minute, known] of [...hour.calls].sort(([one], [other]) => one - other)) {
      const removed = Math.min(Math.max(excess, 0), known);
      if (removed > 0) add(hour, minute, -removed);
      excess -= removed;
    }
  }

  function foresee(name: string, replica: string, foreseen: Foreseen): Foreseen {
    const foretold: Foretold = { ...get<Foretold>(`d:${name}`), [replica]: [now(), foreseen] };
    set(`d:${name}`, foretold, FORESEEN_MS);
    const lately = Object.values(foretold).filter(([at]) => at <= now() && now() - at <= FORESEEN_MS);
    const all = (of: keyof Foreseen): number => sum(lately.map(([, each]) => each[of]));
    return { misses: all('misses'), refreshes: all('refreshes'), resyncs: all('resyncs') };
  }

  function stretchOf(name: string, proposed: number): number {
    const known = get<{ at: number; by: number }>(`stretch:${name}`);
    if (known !== undefined && known.at <= now() && known.at >= now() - STRETCH_MS) return known.by;
    set(`stretch:${name}`, { at: now(), by: proposed }, FORESEEN_MS);
    return proposed;
  }

  function hourTold(replica: string, report: Report): Hour {
    const { hour: names, foreseen, stretch, known } = report;
    const hours = names.map(hourOf);
    for (const hour of hours) revise(hour, report);
    const generation = hours.map((hour) => hour.generation).join(',');
    const revision = sum(hours.map((hour) => hour.revision));
    const isKnown = known?.generation === generation && known.revision === revision;
    const calls = new Map<number, number>();
    for (const [minute, count] of hours.flatMap((hour) => [...hour.calls])) {
      if (!isKnown || minute >= minuteNow() - 1) calls.set(minute, Math.max(calls.get(minute) ?? 0, count));
    }
    const shared = names.at(-1) ?? '';
    return {
      generation,
      revision,
      calls,
      foreseen: foresee(shared, replica, foreseen),
      stretch: stretchOf(shared, stretch),
    };
  }

  /** @returns how many there are with it */
  function among(key: string, replica: string): number {
    const present: Readonly<Record<string, number>> = {
      ...get<Readonly<Record<string, number>>>(key),
      [replica]: now(),
    };
    const lately = Object.entries(present).filter(([, at]) => at > now() - REPLICA_GONE_MS);
    set(key, Object.fromEntries(lately), REPLICA_GONE_MS);
    return lately.length;
  }

  function holds({ names, holder }: Lock): boolean {
    return names.every((name) => get(`l:${name}`) === holder);
  }

  function letGo({ names, holder }: Lock): void {
    for (const name of names) if (get(`l:${name}`) === holder) entries.delete(`l:${name}`);
  }

  function askFor(
    { names, since, holder, waitsFor }: Asked['resources'][number],
    isKnown: boolean,
    hour: Names,
  ): ToldResource {
    const marks = marksOf('m', names);
    const kept = names.map((name) => get<KeptValue>(`v:${name}`));
    const best = kept.reduce((best, each) => ((each?.at ?? -1) > (best?.at ?? -1) ? each : best), undefined);
    if (best !== undefined && best.at >= since)
      return { state: 'value', marks, under: kept.indexOf(best), at: best.at, sealed: best.sealed };
    const sealed = waitsFor === undefined ? undefined : get<Buffer>(`o:${waitsFor}`);
    if (sealed !== undefined) return { state: 'failed', sealed };
    const holding = names.map((name) => get<string>(`l:${name}`)).find((each) => each !== undefined);
    if (holding !== undefined) return { state: 'held', holder: holding };
    if (holder === undefined) return { state: 'none', marks };
    if (!isKnown) return { state: 'look' };
    for (const name of names) set(`l:${name}`, holder, LOCK_MS);
    for (const name of hour) add(hourOf(name), minuteNow(), 1);
    return { state: 'mine', marks };
  }

  function storeOf(replica: string): SharedStore {
    function tell(news: News): void {
      for (const listener of listeners) if (listener.replica !== replica) listener.hear(news);
    }

    return {
      ask({ credential, team, hour, resources }) {
        const present = epoch();
        const told = { credential: standingOf(credential.names), team: standingOf(team.names) };
        const isKnown = credential.version === told.credential.version && team.version === told.team.version;
        const found = resources.map((each) => askFor(each, isKnown, hour));
        const isCounted = found.some(({ state }) => state === 'mine');
        const counts = hour.map((name) => hourOf(name).calls.get(minuteNow()) ?? 0);
        return Promise.resolve({
          now: now(),
          epoch: present,
          ...told,
          resources: found,
          minute: isCounted ? { minute: minuteNow(), calls: Math.max(...counts) } : undefined,
        });
      },

      finish(finished) {
        const { names, ofTeam, under, outcome } = finished;
        const isCurrent =
          under.epoch === epoch() &&
          same(under.ofCredential.marks, marksOf('k', under.ofCredential.names)) &&
          same(under.ofTeam.marks, marksOf('k', ofTeam)) &&
          same(under.marks, marksOf('m', names));
        if (outcome.kind === 'value') {
          const before = get<KeptValue>(`v:${names[0]}`);
          if (isCurrent && (before === undefined || before.at <= outcome.at)) keep(names, outcome);
        } else if (holds(finished)) set(`o:${finished.holder}`, outcome.sealed, OUTCOME_MS);
        letGo(finished);
        tell({ kind: 'answered', team: ofTeam, names });
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
          tell({ kind: 'answered', team: lock.ofTeam, names: lock.names });
        }
        return Promise.resolve();
      },

      change({ of, version, marks, resources = [], standing }) {
        for (const [n, name] of of.entries()) {
          const previous = get<Version>(`version:${name}`)?.version ?? '';
          setAtLeast(`version:${name}`, { version, previous }, STANDING_MS);
          if (marks !== undefined) setAtLeast(`k:${name}`, marks[n], STANDING_MS);
          const sealed = standing?.sealed[n];
          if (standing !== undefined && sealed !== undefined)
            set(`s:${name}`, { at: now(), sealed }, Math.max(STANDING_MS, standing.lifeMs));
        }
        for (const { names, marks: present, value } of resources) {
          for (const [n, name] of names.entries()) {
            entries.delete(`v:${name}`);
            set(`m:${name}`, present[n], MARK_MS);
          }
          if (value !== undefined) keep(names, value);
        }
        tell({ kind: 'changed', names: of });
        return Promise.resolve();
      },

      report(reports, kin) {
        const replicas = Math.max(0, ...(kin ?? []).map((name) => among(`r:${name}`, replica)));
        const foreign = kin === undefined ? 0 : among('replicas', replica) - replicas;
        const hours = reports.map((report) => hourTold(replica, report));
        return Promise.resolve({ now: now(), replicas, foreign, hours });
      },

      onNews(hear) {
        listeners.add({ replica, hear });
      },

      onConnection: () => undefined,

      close: () => Promise.resolve(),
    };
  }

  return {
    storeOf,
    empty: () => entries.clear(),
    evict(n) {
      const keys = [...entries.keys()];
      const key = keys[n % Math.max(1, keys.length)];
      if (key !== undefined) entries.delete(key);
    },
    sealed() {
      const all = new Map<string, Buffer>();
      for (const [key, { value }] of entries) {
        if (Buffer.isBuffer(value)) all.set(key, value);
        else if (isSealed(value)) all.set(key, value.sealed);
      }
      return all;
    },
    forge(key, sealed) {
      const entry = entries.get(key);
      if (entry === undefined) throw new Error(`nothing is kept at ${key}`);
      entry.value = Buffer.isBuffer(entry.value) ? sealed : { ...(entry.value as object), sealed };
    },
    forgeMoment(key, laterMs) {
      const entry = entries.get(key);
      if (entry === undefined) throw new Error(`nothing is kept at ${key}`);
      const value = entry.value as KeptValue;
      entry.value = { ...value, at: value.at + laterMs };
    },
    stepClock: (ms) => (steppedMs += ms),
    dump: () =>
      [...entries].map(([key, { value }]) => [
        key,
        Buffer.isBuffer(value) ? value.toString('latin1') : JSON.stringify(value),
      ]),
  };
}

/** The texts, or one where all are the same. */
function once(texts: readonly string[]): string {
  return new Set(texts).size === 1 ? (texts[0] ?? '') : texts.join(',');
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.every((mark, n) => mark === other[n]);
}

function isSealed(value: unknown): value is { readonly sealed: Buffer } {
  return typeof value === 'object' && value !== null && 'sealed' in value;
}

function sum(counts: Iterable<number>): number {
  let total = 0;
  for (const count of counts) total += count;
  return total;
}
