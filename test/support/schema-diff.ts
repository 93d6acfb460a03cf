// What schema.graphql changes for clients and routers since the last commit, or by the last commit that changed it.
// Information, not a gate: it always succeeds, and where there is no history to compare with it says nothing.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CriticalityLevel, diff } from '@graphql-inspector/core';
import {
  buildASTSchema,
  type DocumentNode,
  type GraphQLSchema,
  isTypeDefinitionNode,
  isTypeExtensionNode,
  parse,
  print,
} from 'graphql';
import { runScript } from './script.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const FILE = 'schema.graphql';

export type Verdict = 'breaking' | 'dangerous' | 'safe';

export interface SchemaChange {
  readonly verdict: Verdict;
  readonly message: string;
}

/** Every change, the worst first. */
export async function schemaChanges(before: string, after: string): Promise<readonly SchemaChange[]> {
  const [old, young] = [parse(before), parse(after)];
  const changes = [...(await changesOfTypes(old, young)), ...changesOfKeys(old, young)];
  return changes.sort((a, b) => VERDICTS.indexOf(a.verdict) - VERDICTS.indexOf(b.verdict));
}

const VERDICTS: readonly Verdict[] = ['breaking', 'dangerous', 'safe'];

const VERDICT_OF: Readonly<Record<CriticalityLevel, Verdict>> = {
  [CriticalityLevel.Breaking]: 'breaking',
  [CriticalityLevel.Dangerous]: 'dangerous',
  [CriticalityLevel.NonBreaking]: 'safe',
};

async function changesOfTypes(before: DocumentNode, after: DocumentNode): Promise<readonly SchemaChange[]> {
  const changes = await diff(toSchema(before), toSchema(after));
  return changes
    .filter(({ path }) => path?.includes('@key') !== true)
    .map(({ message, criticality: { level } }) => ({
      verdict: VERDICT_OF[level],
      message: message.replaceAll(/\s+/g, ' '),
    }));
}

/**
 * The library compares the keys of a type by their order and calls whatever becomes of them dangerous or safe. But a
 * key that is taken away, or is no longer resolvable, breaks every subgraph that joins by it.
 */
function changesOfKeys(before: DocumentNode, after: DocumentNode): readonly SchemaChange[] {
  const [old, young] = [keysOf(before), keysOf(after)];
  return [
    ...[...old]
      .filter((key) => !young.has(key))
      .map((key) => ({ verdict: 'breaking', message: `Key '${key}' was removed` }) as const),
    ...[...young]
      .filter((key) => !old.has(key))
      .map((key) => ({ verdict: 'safe', message: `Key '${key}' was added` }) as const),
  ];
}

/** Such as `Backfill @key(fields: "id")`. */
function keysOf({ definitions }: DocumentNode): ReadonlySet<string> {
  const types = definitions.filter((node) => isTypeDefinitionNode(node) || isTypeExtensionNode(node));
  return new Set(
    types.flatMap(({ name, directives = [] }) =>
      directives.filter((used) => used.name.value === 'key').map((key) => `${name.value} ${print(key)}`),
    ),
  );
}

/** Federation's directives come by `@link` and are not defined in the file. */
function toSchema(document: DocumentNode): GraphQLSchema {
  return buildASTSchema(document, { assumeValidSDL: true });
}

/** The text to compare with, and what it is. */
function baseline(after: string): { readonly before: string; readonly name: string } | undefined {
  try {
    const committed = git('show', `HEAD:./${FILE}`);
    if (committed !== after) return { before: committed, name: 'the last commit' };
    const [commit = '', short = ''] = git('log', '-1', '--format=%H %h', '--', FILE).trim().split(' ');
    return { before: git('show', `${commit}~1:./${FILE}`), name: `what it was before ${short}` };
  } catch {
    return undefined;
  }
}

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
}

async function report(): Promise<void> {
  const after = readFileSync(`${ROOT}${FILE}`, 'utf8');
  const base = baseline(after);
  if (base === undefined) return;
  console.log(`${FILE} against ${base.name} (information, not a gate):`);
  try {
    const changes = await schemaChanges(base.before, after);
    if (changes.length === 0) console.log('  nothing that clients or routers can see');
    for (const { verdict, message } of changes) console.log(`  ${verdict.padEnd(9)}  ${message}`);
  } catch (error) {
    console.log(`  cannot be compared: ${String(error)}`);
  }
}

const COMMAND = {
  name: 'npm run --silent schema:diff --',
  does: `Lists what ${FILE} changes for clients and routers since the last commit, or by the
last commit that changed it. Information, not a gate: it always succeeds.`,
  options: {},
  examples: ['npm run --silent schema:diff'],
} as const;

if (process.argv[1] === fileURLToPath(import.meta.url)) await runScript(COMMAND, report);
