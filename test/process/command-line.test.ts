import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { describeSettings, loadConfig } from '../../src/config.ts';
import { effectiveConfigText } from '../../src/effective-config.ts';
import { freePort } from '../support/free-port.ts';
import { redisIsSkipped, startRedisUntilEnd } from '../support/redis.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const { version, bin } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
  readonly version: string;
  readonly bin: string;
};

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

function run(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const main = join(ROOT, 'src/main.ts');
  return ended(process.execPath, ['--import', 'tsx', main, ...args], env);
}

function ended(file: string, args: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve) => {
    const options = { cwd: ROOT, env: { PATH: process.env['PATH'], ...env }, timeout: 15_000 };
    const child = execFile(file, [...args], options, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr });
    });
  });
}

/** A file that is gone after the test. */
function fileWith(content: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'command-line-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'file');
  writeFileSync(path, content);
  return path;
}

describe('backfill-gateway', () => {
  it.each(['--help', '-h'])(
    '%s prints every option, and every setting with its meaning and default',
    async (help) => {
      const { code, stdout, stderr } = await run([help], { PORT: 'nonsense' });
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toContain('Usage: backfill-gateway [--help] [--version] [--check]');
      for (const { name, fallback, meaning } of describeSettings()) {
        expect([name, meaning]).not.toEqual([name, '']);
        expect(stdout).toMatch(new RegExp(`^  ${name} +\\S.*\\[.+\\]$`, 'm'));
        expect(stdout).toContain(`${meaning} [${fallback}]\n`);
      }
      expect(stdout).toMatch(/^ {2}PORT +.*\[4000\]$/m);
      expect(stdout).toMatch(/^ {2}SUPERMETRICS_API_URL .*\[https:\/\/dts-api\.supermetrics\.com\/v1\]$/m);
      expect(stdout).toMatch(/^ {2}CORS_ORIGINS .*\[none\]$/m);
    },
  );

  it.each(['--version', '-v'])('%s prints the version of the package', async (option) => {
    expect(await run([option], { PORT: 'nonsense' })).toEqual({
      code: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
  });

  it('--check prints the settings that count and what has no effect, and ends', async () => {
    const env = { CACHE_TTL_MS: '500', HTTPS_PROXY: 'http://us3r:k3y@proxy.test:3128' };
    const settings = effectiveConfigText(loadConfig(env), env);
    expect(await run(['--check'], env)).toEqual({
      code: 0,
      stdout: `${settings}# configuration is fine\n`,
      stderr: '',
    });
    expect(settings).toContain('\nHTTPS_PROXY=http://***@proxy.test:3128 # environment\n');
    expect(await run(['--check'], { CACHE_TLL_MS: 'k3y', METRICS_PORT: 'tcp://10.0.0.1:80' })).toEqual({
      code: 0,
      stdout:
        '# unknown setting CACHE_TLL_MS: the setting most like it is CACHE_TTL_MS\n' +
        '# setting ignored METRICS_PORT: it is the address of a service, as Kubernetes sets it, and no port\n' +
        `${effectiveConfigText(loadConfig({}), {})}# configuration is fine\n`,
      stderr: '',
    });
  });

  it('--check says that Redis is away and why, and ends with 0 all the same', async () => {
    const url = `redis://us3r:k3y@127.0.0.1:${await freePort()}`;
    const env = { REDIS_URL: url, CACHE_SECRET: 'k3y'.repeat(11) };
    expect(await run(['--check'], env)).toEqual({
      code: 0,
      stdout:
        `${effectiveConfigText(loadConfig(env), env)}# configuration is fine\n` +
        '# Redis is away, and until it answers replicas share nothing: ECONNREFUSED\n',
      stderr: '',
    });
  });

  describe.skipIf(redisIsSkipped())('with Redis', () => {
    const lastLine = async (url: URL): Promise<string | undefined> => {
      const { code, stdout, stderr } = await run(['--check'], {
        REDIS_URL: url.href,
        CACHE_SECRET: 'k3y'.repeat(11),
      });
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).not.toContain('k3y');
      return stdout.trimEnd().split('\n').at(-1);
    };

    it('--check says that Redis answers, or that it does not let the gateway in', async () => {
      const { url } = await startRedisUntilEnd('--requirepass', 'k3y');
      const away = '# Redis is away, and until it answers replicas share nothing: not allowed';
      expect(await lastLine(url)).toBe(away);
      url.password = 'k3y';
      expect(await lastLine(url)).toBe('# Redis answers');
    });

    it('--check waits two seconds for a Redis that does not answer', async () => {
      const { url, process } = await startRedisUntilEnd();
      process.kill('SIGSTOP');
      expect(await lastLine(url)).toBe(
        '# Redis is away, and until it answers replicas share nothing: timeout',
      );
    });
  });

  it('--check prints each mistake and ends with 78', async () => {
    expect(await run(['--check'], { PORT: '65536', CACHE_MAX_ENTRIES: '5' })).toEqual({
      code: 78,
      stdout: '',
      stderr:
        'PORT must be a whole number from 0 to 65535\n' +
        'CACHE_MAX_ENTRIES is no longer a setting: set CACHE_MAX_BYTES in its place\n',
    });
    const TRUSTED_DOCUMENTS = fileWith('{ "a": "{ nope }" }');
    const { code, stdout, stderr } = await run(['--check'], { TRUSTED_DOCUMENTS });
    expect([code, stdout]).toEqual([78, '']);
    expect(stderr).toMatch(/^TRUSTED_DOCUMENTS .*nope.*\n$/);
  });

  it.each([[['--chek']], [['serve']], [['--check=yes']], [['-x']], [['--check', '--', 'x']]])(
    '%j is refused in one line, with 64',
    async (args) => {
      const { code, stdout, stderr } = await run(args);
      expect([code, stdout]).toEqual([64, '']);
      expect(stderr).toMatch(/^argument "[^"]+" is unknown: see backfill-gateway --help\n$/);
    },
  );

  it('is the installed command', () => {
    expect(bin).toBe('dist/main.js');
    // The compiler keeps this line.
    expect(readFileSync(join(ROOT, 'src/main.ts'), 'utf8')).toMatch(/^#!\/usr\/bin\/env node\n/);
  });
});
