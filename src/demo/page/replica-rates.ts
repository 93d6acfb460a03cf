import type { ReplicasTold } from './settings.ts';
import { count, counted } from './words.ts';

type Mode = 'sharing' | 'alone';

interface Look {
  readonly at: number;
  readonly calls: number;
  /** Undefined while some replicas share and others do not. */
  readonly mode: Mode | undefined;
}

interface Span {
  readonly ms: number;
  readonly calls: number;
}

/** What is final is read again each minute, so a shorter time says little. */
const LATELY_MS = 60_000;

/**
 * What all replicas together cost in the last minute, in the last minute in which they shared, and in the last one in which
 * each was alone.
 */
export class ReplicaRates {
  #looks: readonly Look[] = [];
  #replicas = 1;
  readonly #spans: Record<Mode, readonly Span[]> = { sharing: [], alone: [] };

  record({ replicas }: ReplicasTold, now: number): void {
    const look = { at: now, calls: sumOf(replicas, 'calls'), mode: modeOf(replicas) };
    const last = this.#looks.at(-1);
    // What was spent while they went from one to the other belongs to neither.
    if (last?.mode !== undefined && last.mode === look.mode) {
      const span = { ms: look.at - last.at, calls: look.calls - last.calls };
      this.#spans[last.mode] = lastMinute([...this.#spans[last.mode], span]);
    }
    this.#looks = [...this.#looks.filter(({ at }) => now - at <= LATELY_MS), look];
    this.#replicas = replicas.length;
  }

  /** Words by the name of the part of the page that they fill. */
  get words(): Readonly<Record<'lately' | Mode, string>> {
    const [first] = this.#looks;
    const last = this.#looks.at(-1);
    const isNew = first === undefined || last === undefined || first === last;
    return {
      lately: isNew
        ? '–'
        : `${counted(last.calls - first.calls, 'call')} in ${Math.round((last.at - first.at) / 1_000)} s`,
      sharing: rateOf(this.#spans.sharing),
      alone: rateOf(this.#spans.alone, this.#replicas),
    };
  }
}

/** The newest of them that come to a minute. */
function lastMinute(spans: readonly Span[]): readonly Span[] {
  const [, ...others] = spans;
  return totalOf(others).ms >= LATELY_MS ? lastMinute(others) : spans;
}

function totalOf(spans: readonly Span[]): Span {
  return spans.reduce((sum, { ms, calls }) => ({ ms: sum.ms + ms, calls: sum.calls + calls }), {
    ms: 0,
    calls: 0,
  });
}

/** @param replicas where each of them is to be told of too */
function rateOf(spans: readonly Span[], replicas?: number): string {
  const { ms, calls } = totalOf(spans);
  if (ms === 0) return '–';
  if (ms < LATELY_MS) return `known in ${Math.ceil((LATELY_MS - ms) / 1_000)} s`;
  const rate = Math.round((calls * 60_000) / ms);
  const byEach = replicas === undefined ? '' : `, ${count(Math.round(rate / replicas))} by each`;
  return `${counted(rate, 'call')} a minute${byEach}`;
}

function modeOf(replicas: ReplicasTold['replicas']): Mode | undefined {
  const sharing = replicas.filter(({ isSharing }) => isSharing).length;
  if (sharing === replicas.length) return 'sharing';
  return sharing === 0 ? 'alone' : undefined;
}

export function sumOf(
  replicas: ReplicasTold['replicas'],
  name: 'requests' | 'sockets' | 'calls' | 'shared',
): number {
  return replicas.reduce((sum, replica) => sum + replica[name], 0);
}
