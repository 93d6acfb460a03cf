import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { SETTINGS } from '../../../src/settings.ts';
import { directivesOf, fill, recipe, unitEnvironment } from '../../support/recipes.ts';

const UNIT = recipe('backfill-gateway@.service');
const directives = new Map(directivesOf(UNIT));

const skipsVerify = spawnSync('systemd-analyze', ['--version']).status !== 0 && !process.env['CI'];
if (skipsVerify) console.warn('The unit is not verified without systemd-analyze: apt-get install systemd');

describe('the unit of systemd', () => {
  it.skipIf(skipsVerify)('is what systemd takes, without a complaint', () => {
    const folder = mkdtempSync(join(tmpdir(), 'unit-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'backfill-gateway@4000.service');
    writeFileSync(path, fill(UNIT, { '/usr/bin/node': process.execPath }));
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', path], { encoding: 'utf8' });
    expect([status, stdout, stderr]).toEqual([0, '', '']);
  });

  it('sets nothing but settings that there are, and listens at the port in its name', () => {
    const { NODE_ENV, NODE_OPTIONS, ...settings } = unitEnvironment(4001);
    expect(Object.keys(SETTINGS.shape)).toEqual(expect.arrayContaining(Object.keys(settings)));
    expect(loadConfig({ ...settings, NODE_ENV })).toMatchObject({
      PORT: 4001,
      HOST: '127.0.0.1',
      GRAPHIQL: false,
    });
    expect(NODE_OPTIONS).toMatch(/^--max-old-space-size=\d+$/);
  });

  it('kills a gateway no sooner than that ends by itself', () => {
    const { DRAIN_DELAY_MS, SHUTDOWN_GRACE_MS } = loadConfig(unitEnvironment(4000));
    const stopMs = 1_000 * Number(directives.get('TimeoutStopSec'));
    expect(stopMs).toBeGreaterThanOrEqual(DRAIN_DELAY_MS + SHUTDOWN_GRACE_MS + 2_000);
  });

  it('does not start a gateway again whose settings are wrong', () => {
    const { status } = spawnSync(process.execPath, ['--import', 'tsx', 'src/main.ts'], {
      env: { PATH: process.env['PATH'], PORT: 'x' },
    });
    expect(String(status)).toBe(directives.get('RestartPreventExitStatus'));
  });
});

describe('the balancers', () => {
  const { DRAIN_DELAY_MS, KEEP_ALIVE_TIMEOUT_MS } = loadConfig(unitEnvironment(4000));
  const seconds = (text: string, pattern: RegExp): number => 1_000 * Number(pattern.exec(text)?.[1]);

  it('nginx closes an idle connection before the gateway would, and all of them while one that stops still serves', () => {
    const idle = seconds(recipe('nginx.conf'), /^ +keepalive_timeout (\d+)s;/m);
    expect(idle).toBeLessThan(KEEP_ALIVE_TIMEOUT_MS);
    expect(idle).toBeLessThan(DRAIN_DELAY_MS);
  });

  it('nginx asks a gateway again that was restarted, before the other one stops', () => {
    expect(seconds(recipe('nginx.conf'), /fail_timeout=(\d+)s/)).toBeLessThan(DRAIN_DELAY_MS);
  });

  it('HAProxy sends nothing more to a gateway that stops while that still serves', () => {
    const text = recipe('haproxy.cfg');
    const [interval, check] = [seconds(text, / inter (\d+)s/), seconds(text, /timeout check (\d+)s/)];
    const times = Number(/ fall (\d+)/.exec(text)?.[1]);
    expect(times * interval + check).toBeLessThan(DRAIN_DELAY_MS);
  });
});
