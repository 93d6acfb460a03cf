// Nearly all times come in this form, and a day up to the 28th exists in every month.
const NORMAL = /^\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\dZ$/;
// All days but the 29th of February.
const NORMAL_DATE =
  /^\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))$/;
const DATE = /^\d{4}-\d\d-\d\d$/;
const NORMAL_YEAR = /^\d{4}-/;
const RFC_3339 = /^(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?(?:[Zz]|([+-]\d\d):?(\d\d))$/;

/**
 * Normalises a time of the REST API's to RFC 3339 in UTC, without a fraction where it is zero. Offsets without a colon
 * (`+0000`) occur in the vendor's production responses. Undefined for anything that is not a moment.
 */
export function toUtc(text: string): string | undefined {
  if (NORMAL.test(text)) return text;
  const parts = RFC_3339.exec(text);
  if (parts === null) return undefined;
  const [, date = '', time, fraction, hours = '+00', minutes = '00'] = parts;
  if (!isInCalendar(date)) return undefined;
  const moment = Date.parse(
    `${date}T${time}${fraction === undefined ? '' : `.${fraction}`}${hours}:${minutes}`,
  );
  if (Number.isNaN(moment)) return undefined;
  const utc = formatUtc(moment);
  // An offset can lead out of the years that RFC 3339 allows.
  return NORMAL_YEAR.test(utc) ? utc : undefined;
}

/** Whether the text is a date of the calendar, `YYYY-MM-DD`. */
export function isDate(text: string): boolean {
  return NORMAL_DATE.test(text) || (DATE.test(text) && isInCalendar(text));
}

/** The engine reads the 30th of February as the 1st of March. */
function isInCalendar(date: string): boolean {
  return new Date(`${date}T00:00:00Z`).getUTCDate() === Number(date.slice(-2));
}

/** Formats milliseconds since the epoch as RFC 3339 in UTC. */
export function formatUtc(moment: number): string {
  return new Date(moment).toISOString().replace('.000Z', 'Z');
}
