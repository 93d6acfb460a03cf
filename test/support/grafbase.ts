import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFinished } from 'vitest';
import type { Subgraph } from './compose.ts';
import { startConnectProxy } from './connect-proxy.ts';
import { freePort } from './free-port.ts';

const INSTALLED = fileURLToPath(new URL('../../node_modules/.cache/grafbase/grafbase', import.meta.url));
const PATH = process.env['GRAFBASE_PATH'] ?? INSTALLED;

const MISSING = `there is no Grafbase CLI at ${PATH}; run .ci/install-grafbase, or name one in GRAFBASE_PATH`;

/** On a developer's machine a missing gateway skips what needs it; in CI it fails, or nobody would ever know. */
export const skipsWithoutGrafbase = !existsSync(PATH) && !process.env['CI'];
if (skipsWithoutGrafbase) console.warn(`Tests of Grafbase's gateway are skipped: ${MISSING}`);

/** A folder that is the process' home, since it keeps files there and where it is started. */
function folderOf(subgraphs: readonly Subgraph[], configuration: string): string {
  if (!existsSync(PATH)) throw new Error(MISSING);
  const folder = mkdtempSync(join(tmpdir(), 'grafbase-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }));
  const known = subgraphs.flatMap(({ name, url }) => [
    `subgraphs.${name}.url = "${url}"`,
    `subgraphs.${name}.schema_path = "${name}.graphql"`,
  ]);
  for (const { name, sdl } of subgraphs) writeFileSync(join(folder, `${name}.graphql`), sdl);
  writeFileSync(join(folder, 'grafbase.toml'), `${known.join('\n')}\n${configuration}`);
  return folder;
}

/**
 * The environment of the process. Whatever it asks of another machine goes to a proxy, and fails the test at its end: its
 * vendor's hosts, where it could report what it does, are all asked by HTTPS.
 */
async function environment(folder: string): Promise<Readonly<Record<string, string>>> {
  const { port, tunnels } = await startConnectProxy();
  onTestFinished(() => expect(tunnels.map(({ url }) => url)).toEqual([]));
  return { HOME: folder, HTTPS_PROXY: `http://127.0.0.1:${port}`, NO_PROXY: '127.0.0.1' };
}

/** @returns the supergraph; rejects with the process' standard error where the subgraphs do not compose */
export async function composeByGrafbase(subgraphs: readonly Subgraph[]): Promise<string> {
  const folder = folderOf(subgraphs, '');
  const { stdout } = await promisify(execFile)(PATH, ['compose', '--config', 'grafbase.toml'], {
    cwd: folder,
    env: await environment(folder),
  });
  return stdout;
}

/**
 * Composes subgraphs and serves them until the test ends.
 * @param configuration what follows in its configuration after the subgraphs' URLs and schemas
 * @returns the origin
 */
export async function serveByGrafbase(
  subgraphs: readonly Subgraph[],
  configuration: string,
): Promise<string> {
  const folder = folderOf(subgraphs, configuration);
  const env = await environment(folder);
  const address = `127.0.0.1:${await freePort()}`;
  const args = ['dev', '--config', 'grafbase.toml', '--listen-address', address];
  const child = spawn(PATH, args, { cwd: folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += String(chunk)));
  const closed = once(child, 'close');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await closed;
  });
  await expect.poll(() => said, { timeout: 15_000 }).toContain(`http://${address}/graphql`);
  return `http://${address}`;
}
