import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';

const SOURCES = new URL('peers/', import.meta.url);
const COMPILED = new URL('../artifacts/bench-peers/', import.meta.url);

/**
 * Turns the peers into plain JavaScript, as the gateway is: a loader of TypeScript would count as theirs in memory and
 * at start.
 * @returns where they are, below the root of the repository
 */
export async function compilePeers(): Promise<string> {
  // It takes a second to load, which --help need not wait for.
  const { default: ts } = await import('typescript');
  mkdirSync(COMPILED, { recursive: true });
  for (const name of readdirSync(SOURCES).filter((file) => file.endsWith('.ts'))) {
    const { outputText } = ts.transpileModule(readFileSync(new URL(name, SOURCES), 'utf8'), {
      fileName: name,
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        verbatimModuleSyntax: true,
        rewriteRelativeImportExtensions: true,
      },
    });
    writeFileSync(new URL(name.replace(/\.ts$/, '.js'), COMPILED), outputText);
  }
  return 'test/artifacts/bench-peers';
}
