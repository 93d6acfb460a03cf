export const SECOND_MS = 1000;
export const MINUTE_MS = 60 * SECOND_MS;
export const HOUR_MS = 60 * MINUTE_MS;
export const DAY_MS = 24 * HOUR_MS;

/** `2024-02-01T09:00:00Z`, in whole seconds like the API. */
export function timeText(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** `2024-02-01` */
export function dateText(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

/** Midnight UTC of a `YYYY-MM-DD` that exists in the calendar (so not `2024-02-30`), else undefined. */
export function parseDate(text: string): number | undefined {
  if (!/^\d{4}-\d{2}-\d{2}$/.test(text)) return undefined;
  const ms = Date.parse(`${text}T00:00:00Z`);
  return !Number.isNaN(ms) && dateText(ms) === text ? ms : undefined;
}

export function addDays(date: string, days: number): string {
  return dateText(midnight(date) + days * DAY_MS);
}

/** Days from `start` to `end`, both included; below 1 when `end` comes first. */
export function daysInRange(start: string, end: string): number {
  return (midnight(end) - midnight(start)) / DAY_MS + 1;
}

function midnight(date: string): number {
  const ms = parseDate(date);
  if (ms === undefined) throw new RangeError(`A date must be an existing YYYY-MM-DD, got "${date}".`);
  return ms;
}
