import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { describeSettings } from './config.ts';

/** What the command line asks for. */
export type Command = 'serve' | 'check' | 'help' | 'version';

/** Of several, the first one in this order counts. */
const OPTIONS = {
  help: { type: 'boolean', short: 'h', does: 'prints this' },
  version: { type: 'boolean', short: 'v', does: 'prints the version' },
  check: {
    type: 'boolean',
    does: 'reads the settings, prints each mistake and opens no port; exits with 0, or 78 for mistakes',
  },
} as const;

/** An argument that means nothing here. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** @throws {UsageError} */
export function commandIn(args: readonly string[]): Command {
  const { values, tokens } = parseArgs({ args: [...args], options: OPTIONS, strict: false, tokens: true });
  for (const token of tokens) {
    const isKnown = token.kind === 'option' && token.name in OPTIONS && token.value === undefined;
    if (!isKnown) {
      const argument = JSON.stringify(args[token.index] ?? '');
      throw new UsageError(`argument ${argument} is unknown: see backfill-gateway --help`);
    }
  }
  const names = Object.keys(OPTIONS) as readonly (keyof typeof OPTIONS)[];
  return names.find((name) => values[name] === true) ?? 'serve';
}

export function helpText(): string {
  const options = Object.entries(OPTIONS).map(([name, { does }]) => [`--${name}`, does] as const);
  const settings = describeSettings().map(
    ({ name, fallback, meaning }) => [name, `${meaning} [${fallback}]`] as const,
  );
  return `backfill-gateway serves GraphQL over Supermetrics' Data Warehouse REST API until SIGTERM.

Usage: backfill-gateway [${options.map(([name]) => name).join(' | ')}]

${inColumns(options)}

Settings are environment variables, with their defaults in brackets; times are in milliseconds:

${inColumns(settings)}
`;
}

function inColumns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}

/** The version of the package, which is the folder above both `src` and `dist`. */
export function versionText(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8');
  return `${(JSON.parse(text) as { readonly version: string }).version}\n`;
}
