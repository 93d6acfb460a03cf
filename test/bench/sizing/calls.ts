import { createManualClock } from '../../support/manual-clock.ts';
import { drive } from '../economy/drive.ts';
import { planFleet, POLL_MS } from '../economy/fleet.ts';
import { sum } from '../statistics.ts';
import { callsInAnHour, type Polling } from './formulas.ts';

/** An hour of dashboards on the injected clock, beside what the formula says of it. */
export interface Hour {
  readonly polling: Polling;
  readonly calls: number;
  /** The mean of the hour's second half, in which nothing of the start is left. */
  readonly stretch: number;
  readonly predicted: ReturnType<typeof callsInAnHour>;
}

const HOUR_MS = 3_600_000;
const RUNNING_SHARE = 1 / 5;

const FLEETS = [
  { dashboards: 1, transfers: 50 },
  { dashboards: 10, transfers: 200 },
  { dashboards: 40, transfers: 400 },
] as const;
const QUOTAS = [1_000, 5_000, 20_000] as const;

export async function measureHours(progress: (text: string) => void): Promise<readonly Hour[]> {
  const hours: Hour[] = [];
  for (const fleet of FLEETS) {
    for (const quota of QUOTAS) {
      progress(`sizing: an hour of ${fleet.dashboards} dashboards at ${quota} calls`);
      hours.push(await measureHour({ ...fleet, pollSeconds: POLL_MS / 1000, quota }));
    }
  }
  return hours;
}

async function measureHour(polling: Polling): Promise<Hour> {
  const { dashboards, transfers, quota } = polling;
  const startsAt = createManualClock().now();
  const running = transfers * RUNNING_SHARE;
  const fleet = planFleet({ transfers, running, startsAt, hours: 1, clients: dashboards });
  let made = 0;
  const stretches: number[] = [];
  await drive(fleet, { quota, forMs: HOUR_MS }, ({ now, calls, stretch }) => {
    made += calls.length;
    if (now >= startsAt + HOUR_MS / 2) stretches.push(stretch.changing);
  });
  return {
    polling,
    calls: made,
    stretch: sum(stretches) / stretches.length,
    predicted: callsInAnHour(polling),
  };
}
