import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { onTestFinished } from 'vitest';

/** Of the package, which picks its binary for this machine. */
export const RELAY_COMPILER = createRequire(import.meta.url).resolve('relay-compiler/cli.js');

/**
 * Lets Relay's compiler compile one document against a schema, in a folder of its own.
 * @returns the names of the files it wrote
 * @throws {Error} with its output, where it refuses the document or the schema, or panics
 */
export async function compileByRelay(schema: string, document: string): Promise<readonly string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'relay-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ['src', 'artifacts']) mkdirSync(join(folder, name));
  writeFileSync(join(folder, 'schema.graphql'), schema);
  writeFileSync(
    join(folder, 'src/page.ts'),
    `import { graphql } from 'relay-runtime';\nexport const page = graphql\`${document}\`;\n`,
  );
  const config = {
    src: './src',
    schema: './schema.graphql',
    artifactDirectory: './artifacts',
    language: 'typescript',
  };
  writeFileSync(join(folder, 'relay.config.json'), JSON.stringify(config));
  await promisify(execFile)(process.execPath, [RELAY_COMPILER, '--noWatchman'], { cwd: folder });
  return readdirSync(join(folder, 'artifacts')).sort();
}
