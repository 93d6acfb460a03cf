import type { Clock } from '../../clock.ts';
import { type Foreseen, NOTHING_FORESEEN } from '../quota/demand.ts';
import type { SharedHours } from '../quota/governor.ts';
import type { Seal } from './seal.ts';
import type { CallsByMinute, Hour, Report, SharedStore, Survey, Told } from './shared-store.ts';

/**
 * The hour of each credential, spent by all replicas together. A call is counted in the round trip that takes its lock. What
 * that does not count, such as retries, writes and what was called for while the store was away, follows with the next
 * report. That round trip also tells what the others have called for in this minute. Once a second each replica reports what
 * it foresees of the credentials in use, and is told what the group has spent and foresees. One of them sets the stretch for
 * all.
 *
 * Credentials that spend little and are not stretched cannot run out within seconds: they are reported less often. One whose
 * hour is not known here, or was forgotten by the store, is reported at once.
 */
export interface GroupHour {
  /**
   * After the store has counted calls for the credential.
   * @param minute what the group has made of them in the present minute
   */
  counted(credentialId: string, calls: number, minute: NonNullable<Told['minute']>): void;
  /** After the store has gone away or come back. */
  setAway(isAway: boolean): void;
  /** Replicas that were there when the store was asked last, this one included. */
  readonly replicas: number;
  stop(): void;
}

export interface GroupHourDeps {
  readonly store: Pick<SharedStore, 'report'>;
  readonly seal: Pick<Seal, 'names'>;
  readonly clock: Clock;
  readonly hours: SharedHours;
  /** Called when there are replicas with which this one shares nothing, and there were none before. */
  readonly onForeign: (replicas: number) => void;
}

const MINUTE_MS = 60_000;
const HOUR_MINUTES = 60;
const REPORT_MS = 1_000;
/** Those who spend little, and are not stretched, are reported in one of so many seconds, the same on all replicas. */
const SELDOM = 5;
/** Calls a minute from which a credential is reported each time. */
const OFTEN_CALLS = 15;
/** In one round trip, so that no script holds up others for long. */
const MAX_REPORTS = 50;

/** What is known here of a credential's hour. */
interface Ledger {
  known: Pick<Hour, 'generation' | 'revision'> | undefined;
  /** Calls of the group by minute of the store's clock. */
  calls: Map<number, number>;
  /** What the store did not count yet, by minute; less than nothing where it counted a call that has not begun. */
  owed: Map<number, number>;
  /** The exchanges that are in `owed` or counted. */
  exchanges: number;
  /** What was known of an hour that the store has forgotten. */
  restored: CallsByMinute;
  /** What this replica foresaw when it reported last. */
  foreseen: Foreseen;
  /** The group's, as it was told last. */
  stretch: number;
}

export function createGroupHour({ store, seal, clock, hours, onForeign }: GroupHourDeps): GroupHour {
  const kin = seal.names({ id: '' }, 'replicas');
  const ledgers = new Map<string, Ledger>();
  /** Those that are reported at once. */
  let unknown = new Set<string>();
  let replicas = 1;
  let foreign = 0;
  let isAway = true;
  /** Milliseconds by which the store's clock is ahead of ours, or a little less. Until it has said so, it is taken for right. */
  let ahead = clock.now() - clock.monotonic();
  let cancelNext = schedule();

  function schedule(ms = REPORT_MS): () => void {
    return clock.after(ms, () => {
      cancelNext = schedule();
      void reportAll();
    });
  }

  function reportSoon(credentialId: string): void {
    if (unknown.size === 0) clock.after(0, () => void reportUnknown());
    unknown.add(credentialId);
  }

  async function reportUnknown(): Promise<void> {
    const due = [...unknown];
    unknown = new Set();
    if (!isAway) await reportInParts(due);
  }

  function ledgerOf(credentialId: string): Ledger {
    const known = ledgers.get(credentialId);
    if (known !== undefined) return known;
    const ledger: Ledger = {
      known: undefined,
      calls: new Map(),
      owed: new Map(),
      exchanges: 0,
      restored: new Map(),
      foreseen: NOTHING_FORESEEN,
      stretch: 1,
    };
    ledgers.set(credentialId, ledger);
    return ledger;
  }

  function minuteNow(): number {
    return Math.floor((clock.monotonic() + ahead) / MINUTE_MS);
  }

  function owe(ledger: Ledger, calls: number): void {
    const minute = minuteNow();
    ledger.owed.set(minute, (ledger.owed.get(minute) ?? 0) + calls);
    for (const old of ledger.owed.keys()) if (old < minute - HOUR_MINUTES) ledger.owed.delete(old);
  }

  async function reportAll(): Promise<void> {
    const inUse = new Set(hours.inUse());
    // While the store is away only what is owed is noted.
    for (const id of inUse) note(id);
    const due = [...inUse].filter(isDue);
    for (const id of ledgers.keys()) if (!inUse.has(id) && !isForgotten(id)) due.push(id);
    // A replica that has nothing to report shows that it is there.
    if (!isAway) await reportInParts(due);
  }

  async function reportInParts(due: readonly string[]): Promise<void> {
    for (let at = 0; at === 0 || at < due.length; at += MAX_REPORTS) {
      if (!(await reportOf(due.slice(at, at + MAX_REPORTS)))) return;
    }
  }

  /** Brings what is owed up to the exchanges that have begun. */
  function note(credentialId: string): void {
    const ledger = ledgerOf(credentialId);
    const exchanges = hours.exchanges(credentialId);
    if (exchanges > ledger.exchanges) owe(ledger, exchanges - ledger.exchanges);
    ledger.exchanges = exchanges;
  }

  /** Nobody has used it for a while. @returns false where the store has not counted all of it */
  function isForgotten(credentialId: string): boolean {
    const ledger = ledgers.get(credentialId);
    return ledger === undefined || (total(ledger.owed) <= 0 && ledgers.delete(credentialId));
  }

  /** Whether it is reported in this second. Those who report it in one second have one stretch. */
  function isDue(credentialId: string): boolean {
    const ledger = ledgerOf(credentialId);
    const second = Math.floor((clock.monotonic() + ahead) / REPORT_MS);
    const isItsTurn = (second + credentialId.charCodeAt(0)) % SELDOM === 0;
    return isItsTurn || ledger.known === undefined || ledger.stretch > 1 || spendsMuch(ledger);
  }

  function spendsMuch({ calls, owed }: Ledger): boolean {
    const minute = minuteNow();
    const lately = [minute, minute - 1].map((at) => (calls.get(at) ?? 0) + (owed.get(at) ?? 0));
    return Math.max(...lately) >= OFTEN_CALLS;
  }

  /** @returns whether the store has answered */
  async function reportOf(credentialIds: readonly string[]): Promise<boolean> {
    const reports = credentialIds.map((id): Report => {
      note(id);
      const { foreseen, stretch, told } = hours.part(id);
      const ledger = ledgerOf(id);
      ledger.foreseen = foreseen;
      const added = total(ledger.owed) > 0 ? ledger.owed : new Map<number, number>();
      if (added === ledger.owed) ledger.owed = new Map();
      const { known, restored } = ledger;
      return { hour: seal.names({ id }, 'hour'), added, foreseen, stretch, known, restored, told };
    });
    const exchanges = credentialIds.map((id) => ledgerOf(id).exchanges);
    let survey: Survey;
    try {
      survey = await store.report(reports, kin);
    } catch {
      // Whether they were counted is unknown. To count them again spends less, not more.
      for (const [n, { added }] of reports.entries()) {
        const { owed } = ledgerOf(credentialIds[n] ?? '');
        for (const [minute, calls] of added) owed.set(minute, (owed.get(minute) ?? 0) + calls);
      }
      return false;
    }
    ahead = survey.now - clock.monotonic();
    replicas = survey.replicas;
    if (survey.foreign > 0 && foreign === 0) onForeign(survey.foreign);
    foreign = survey.foreign;
    let isLost = false;
    for (const [n, hour] of survey.hours.entries()) {
      const ledger = ledgerOf(credentialIds[n] ?? '');
      if (take(ledger, hour)) isLost = true;
      ledger.stretch = hour.stretch;
      const { foreseen, calls } = ledger;
      hours.adopt(credentialIds[n] ?? '', {
        calls: byOurMinutes(calls, survey.now),
        exchanges: exchanges[n] ?? 0,
        others: {
          misses: Math.max(0, hour.foreseen.misses - foreseen.misses),
          refreshes: Math.max(0, hour.foreseen.refreshes - foreseen.refreshes),
          resyncs: Math.max(0, hour.foreseen.resyncs - foreseen.resyncs),
        },
        stretch: hour.stretch,
      });
    }
    // What it has forgotten is told at once, before anybody spends it again.
    return isLost ? reportOf(credentialIds) : true;
  }

  /** Takes over what was told. @returns whether the store has forgotten what is known here */
  function take(ledger: Ledger, { generation, revision, calls }: Hour): boolean {
    const isForgotten = ledger.known !== undefined && ledger.known.generation !== generation;
    const isWhole = ledger.known?.generation !== generation || ledger.known.revision !== revision;
    ledger.restored = isForgotten ? ledger.calls : new Map();
    if (isForgotten) {
      const all = new Map(ledger.calls);
      for (const [minute, count] of calls) all.set(minute, Math.max(count, all.get(minute) ?? 0));
      ledger.calls = all;
    } else if (isWhole) ledger.calls = new Map(calls);
    else for (const [minute, count] of calls) ledger.calls.set(minute, count);
    ledger.known = { generation, revision };
    return isForgotten;
  }

  /** A minute of the store ends within one of ours, or with it. Its calls count until ours is an hour old. */
  function byOurMinutes(calls: CallsByMinute, storeNow: number): number[] {
    const now = clock.monotonic();
    const counts = new Array<number>(HOUR_MINUTES + 1).fill(0);
    for (const [minute, count] of calls) {
      const endedAt = Math.min(now, (minute + 1) * MINUTE_MS - 1 - (storeNow - now));
      const age = Math.floor(now / MINUTE_MS) - Math.floor(endedAt / MINUTE_MS);
      if (age <= HOUR_MINUTES) counts[age] = (counts[age] ?? 0) + count;
    }
    return counts;
  }

  return {
    counted(credentialId, calls, { minute, calls: ofAll }) {
      const ledger = ledgerOf(credentialId);
      owe(ledger, -calls);
      // Those of others since they were told last, so that a burst of several replicas does not wait for the next report.
      const others = ofAll - calls - (ledger.calls.get(minute) ?? 0);
      if (ledger.known === undefined || others < 0) reportSoon(credentialId);
      // The store may have forgotten what is known here, and be told it again.
      if (others < 0) return;
      hours.addOthers(credentialId, others);
      ledger.calls.set(minute, ofAll);
    },
    setAway(away) {
      isAway = away;
      if (away) return;
      cancelNext();
      cancelNext = schedule(0);
    },
    get replicas() {
      return replicas;
    },
    stop: () => cancelNext(),
  };
}

function total(calls: CallsByMinute): number {
  let sum = 0;
  for (const count of calls.values()) sum += count;
  return sum;
}
