/** JSON that is written as it stands. */
export class JsonText {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** The JSON of the data of a result, some values of which are JSON already. What a directive skips is undefined. */
export function writeJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  if (value instanceof JsonText) return value.text;
  let text = '';
  if (Array.isArray(value)) {
    for (const item of value) text += (text === '' ? '[' : ',') + writeJson(item);
    return text === '' ? '[]' : `${text}]`;
  }
  const record = value as Readonly<Record<string, unknown>>;
  // Keys are names of GraphQL, which need no escapes.
  for (const key in record) {
    if (record[key] !== undefined) text += `${text === '' ? '{' : ','}"${key}":${writeJson(record[key])}`;
  }
  return text === '' ? '{}' : `${text}}`;
}
