/** Numbers and times as the page writes them. */

const COUNT = new Intl.NumberFormat('en');
const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' });
const DAY = new Intl.DateTimeFormat('en-GB', {
  day: 'numeric',
  month: 'short',
  hour: '2-digit',
  minute: '2-digit',
});
const WHOLE = new Intl.DateTimeFormat('en-GB', { dateStyle: 'medium', timeStyle: 'medium' });

export function count(value: number): string {
  return COUNT.format(value);
}

export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Rounded down, so that 100 % is only what is done. */
export function percent(share: number): number {
  return Math.floor(share * 100);
}

/** `42 s`, `5 min`, `3 h 20 min`, `12 d` */
export function duration(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1_000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  return `${Math.round(hours / 24)} d`;
}

/** The time of day, with the day where it is a day away or more. */
export function moment(iso: string, now: number): string {
  const at = Date.parse(iso);
  return (Math.abs(at - now) < 86_400_000 ? TIME : DAY).format(at);
}

export function exactMoment(iso: string): string {
  return WHOLE.format(new Date(iso));
}
