import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** A folder with what git tracks and nothing else; what `npm ci` would install is linked in. */
function freshClone(): string {
  const folder = mkdtempSync(join(tmpdir(), 'backfill-gateway-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  for (const file of files.split('\0').filter((name) => name !== '' && existsSync(join(ROOT, name)))) {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    copyFileSync(join(ROOT, file), join(folder, file));
  }
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  return folder;
}

it.runIf(existsSync(join(ROOT, '.git')))(
  'in a fresh clone `npm run demo` builds, starts and serves what it prints',
  async () => {
    const folder = freshClone();
    const readme = readFileSync(join(folder, 'README.md'), 'utf8');
    expect(readme).toContain('npm ci && npm run demo');
    expect(readme).toContain('npm ci && npm test');

    const demo = spawn('npm', ['run', 'demo'], {
      cwd: folder,
      env: { ...process.env, PORT: '0' },
      detached: true,
    });
    onTestFinished(() => {
      if (demo.exitCode !== null || demo.signalCode !== null) return;
      if (demo.pid !== undefined) process.kill(-demo.pid, 'SIGKILL');
    });
    let output = '';
    for (const stream of [demo.stdout, demo.stderr])
      stream.on('data', (chunk: Buffer) => (output += chunk.toString()));
    await expect.poll(() => output, { timeout: 90_000, interval: 200 }).toMatch(/^ {2}Open +http:\S+$/m);

    const url = /GraphiQL +(\S+)/.exec(output)?.[1] ?? '';
    const page = await (await fetch(url, { headers: { accept: 'text/html' } })).text();
    expect(page).toContain('<title>Backfill gateway</title>');
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer sandbox-full',
        'x-team-id': '936506',
      },
      body: JSON.stringify({ query: '{ transfer(id: "456807") { latestBackfill { status } } }' }),
    });
    expect(await answer.json()).toMatchObject({
      data: { transfer: { latestBackfill: { status: 'COMPLETED' } } },
    });

    const closed = once(demo, 'close');
    if (demo.pid !== undefined) process.kill(-demo.pid, 'SIGINT');
    await closed;
  },
  120_000,
);
