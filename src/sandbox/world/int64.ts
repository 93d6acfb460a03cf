const MAX_INT64 = 9223372036854775807n;

/** Whether `text` is an id that the API accepts: a positive int64 in plain digits. */
export function isInt64Id(text: string): boolean {
  return /^[1-9]\d{0,18}$/.test(text) && BigInt(text) <= MAX_INT64;
}
