/** The arithmetic by which operators size the gateway. The bench measures what goes in, and checks what comes out. */

/** What a gateway holds at a time. */
export interface Load {
  /** Streams over SSE. */
  readonly sse: number;
  /** Streams over WebSocket, each with a socket of its own. */
  readonly webSocket: number;
  /** Credentials that have read something. */
  readonly credentials: number;
  /** Backfills that are kept, counted for each credential and team. */
  readonly kept: number;
}

/** Resident memory: of the gateway alone in MiB, and of one more of each in KiB. */
export interface MemoryCosts {
  readonly baseMiB: number;
  readonly eachKiB: Readonly<Record<keyof Load, number>>;
}

/** @returns MiB */
export function memoryOf(
  { sse, webSocket, credentials, kept }: Load,
  { baseMiB, eachKiB }: MemoryCosts,
): number {
  const kib =
    sse * eachKiB.sse +
    webSocket * eachKiB.webSocket +
    credentials * eachKiB.credentials +
    kept * eachKiB.kept;
  return baseMiB + kib / 1024;
}

/** Dashboards of one credential and team, polled around the clock. */
export interface Polling {
  readonly dashboards: number;
  readonly pollSeconds: number;
  /** Distinct transfers in all of them. */
  readonly transfers: number;
  /** Calls an hour. */
  readonly quota: number;
}

/** `CACHE_TTL_MS` and `CACHE_FINAL_TTL_MS` at their defaults. */
const TTL_SECONDS = 2;
const FINAL_TTL_SECONDS = 60;
const MOST_STRETCH = 30;
const MOST_FINAL_STRETCH = 120;
/** What the governor leaves for reads that cannot wait. */
const PACED_SHARE = 0.95;
const HOUR_SECONDS = 3_600;

/**
 * Calls in the first hour: each transfer is read once, the team's list is read by the first poll after its lifetime, and
 * each transfer is asked for at its own endpoint once in a final lifetime.
 * @returns the calls, and the stretch: running data are up to `CACHE_TTL_MS` times this old
 */
export function callsInAnHour(polling: Polling): { readonly calls: number; readonly stretch: number } {
  const { transfers, quota } = polling;
  let stretch = 1;
  while (stretch < MOST_STRETCH && transfers + refreshes(polling, stretch) > PACED_SHARE * quota)
    stretch = Math.min(MOST_STRETCH, stretch * 1.002);
  return { calls: transfers + refreshes(polling, stretch), stretch };
}

function refreshes({ dashboards, pollSeconds, transfers }: Polling, stretch: number): number {
  const listEvery = TTL_SECONDS * stretch + pollSeconds / dashboards;
  const eachEvery = FINAL_TTL_SECONDS * Math.min(MOST_FINAL_STRETCH, stretch ** 2);
  return HOUR_SECONDS / listEvery + (transfers * HOUR_SECONDS) / eachEvery;
}

/** How far a prediction is from what was found, as a share of the latter. */
export function offBy(predicted: number, found: number): number {
  return Math.abs(predicted - found) / found;
}
