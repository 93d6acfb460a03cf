import { parseArgs } from 'node:util';

/** An option of a command, by its name without dashes. */
export interface Option {
  readonly type: 'boolean' | 'string';
  readonly short?: string;
  /** A `string` may be given several times. */
  readonly multiple?: boolean;
  /** What stands for the value of a `string` in `--help`, such as `N`. */
  readonly value?: string;
  readonly does: string;
}

export type Options = Readonly<Record<string, Option>>;

/** A variable of the environment, as `--help` shows it. */
export interface Variable {
  readonly name: string;
  readonly meaning: string;
  /** As it would be given, or `none`. */
  readonly fallback: string;
}

/** What a command does and takes: its `--help`, and the rule for its arguments. `--help` is an option of every command. */
export interface Command<Given extends Options> {
  /** As it is typed, up to its arguments: `npm run demo --`. */
  readonly name: string;
  /** Sentences. */
  readonly does: string;
  readonly options: Given;
  /** What arguments without dashes are; without it there are none. */
  readonly operands?: { readonly name: string; readonly does: string };
  readonly variables?: () => readonly Variable[];
  readonly examples: readonly string[];
}

/** The options that were given. */
export type Values<Given extends Options> = { readonly [Name in keyof Given]?: ValueOf<Given[Name]> };

type ValueOf<Of extends Option> = Of['type'] extends 'boolean'
  ? true
  : Of extends { readonly multiple: true }
    ? readonly string[]
    : string;

/** An argument that means nothing here. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

const HELP = { help: { type: 'boolean', short: 'h', does: 'prints this' } } as const;

/** @throws {UsageError} in one line, for the first argument that means nothing */
export function readArguments<Given extends Options>(
  { name, options: own, operands: takesOperands }: Command<Given>,
  args: readonly string[],
): {
  readonly values: Values<Given> & Values<typeof HELP>;
  readonly operands: readonly string[];
} {
  const options: Options = { ...HELP, ...own };
  const parsed = parseArgs({
    args: [...args],
    options: Object.fromEntries(
      Object.entries(options).map(([option, { type, short, multiple = false }]) => [
        option,
        { type, multiple, ...(short === undefined ? {} : { short }) },
      ]),
    ),
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  for (const token of parsed.tokens) {
    if (token.kind === 'positional' && takesOperands !== undefined) continue;
    const argument = JSON.stringify(args[token.index] ?? '');
    const known =
      token.kind === 'option' && Object.hasOwn(options, token.name) ? options[token.name] : undefined;
    if (
      token.kind !== 'option' ||
      known === undefined ||
      (known.type === 'boolean' && token.value !== undefined)
    )
      throw new UsageError(`argument ${argument} is unknown: see ${name} --help`);
    if (known.type === 'string' && token.value === undefined)
      throw new UsageError(`argument ${argument} needs a value: see ${name} --help`);
  }
  return {
    // Checked above: each value has the type of its option.
    values: parsed.values as Values<Given> & Values<typeof HELP>,
    operands: parsed.positionals,
  };
}

/** What `--help` prints. */
export function helpText({ name, does, options, operands, variables, examples }: Command<Options>): string {
  const all = Object.entries<Option>({ ...HELP, ...options }).map(([option, { value, does: meaning }]) => {
    const left = `--${option}${value === undefined ? '' : ` ${value}`}`;
    return { left, meaning };
  });
  const usage = [
    name,
    ...all.map(({ left }) => `[${left}]`),
    ...(operands === undefined ? [] : [`[${operands.name} …]`]),
  ];
  const rows = [
    ...(operands === undefined ? [] : [[operands.name, operands.does] as const]),
    ...all.map(({ left, meaning }) => [left, meaning] as const),
  ];
  const settings = (variables?.() ?? []).map(
    ({ name: variable, meaning, fallback }) => [variable, `${meaning} [${fallback}]`] as const,
  );
  return [
    does,
    `Usage: ${usage.join(' ')}`,
    inColumns(rows),
    ...(settings.length === 0
      ? []
      : ['Variables of the environment, with their defaults in brackets:', inColumns(settings)]),
    `${examples.length === 1 ? 'Example' : 'Examples'}:`,
    examples.map((example) => `  ${example}`).join('\n'),
    '',
  ]
    .join('\n\n')
    .replace(/\n\n$/, '\n');
}

function inColumns(rows: readonly (readonly [string, string])[]): string {
  const width = Math.max(...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n');
}
