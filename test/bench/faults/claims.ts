/** One sentence that the gateway has to live up to, and what was found. */
export interface Claim {
  readonly text: string;
  readonly found: string;
  readonly holds: boolean;
}

export interface Findings {
  /** Markdown, to be pasted as it is. */
  readonly report: string;
  readonly claims: readonly Claim[];
}

export function claim(text: string, found: string, holds: boolean): Claim {
  return { text, found, holds };
}

export function claimsTable(claims: readonly Claim[]): string {
  return [
    '| claim | found | holds |',
    '| --- | --- | --- |',
    ...claims.map(({ text, found, holds }) => `| ${text} | ${found} | ${holds ? 'yes' : '**no**'} |`),
  ].join('\n');
}

export function milliseconds(value: number | undefined): string {
  return value === undefined ? '–' : `${value < 10 ? value.toFixed(1) : value.toFixed(0)} ms`;
}

export function histogram(texts: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return new Map([...counts].sort(([, a], [, b]) => b - a));
}
