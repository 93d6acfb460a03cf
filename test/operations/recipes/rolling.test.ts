import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../../src/sandbox/server.ts';
import { createWorld } from '../../../src/sandbox/world/world.ts';
import { startClients } from '../../support/balanced-clients.ts';
import { isSkipped, startUntilEnd } from '../../support/balancer-places.ts';
import { haproxy, nginx } from '../../support/balancers.ts';
import { buildGateway, type BuiltGateway, runBuilt } from '../../support/built-gateway.ts';
import { freePort } from '../../support/free-port.ts';
import { unitEnvironment } from '../../support/recipes.ts';

const skipped = [nginx, haproxy].filter(isSkipped).length > 0;

let built: BuiltGateway | undefined;
beforeAll(async () => {
  if (!skipped) built = await buildGateway();
}, 180_000);
afterAll(() => built?.remove());

// nginx asks nobody whether a gateway is well. Whom it connects within the fifth of a millisecond between the last look for
// those who wait and the end of listening, the system resets, and nginx answers 502: by arithmetic one restart in fifty, at 80
// new connections a second, and on a busy machine more.
it.skipIf(skipped)(
  'a rolling restart fails no request behind HAProxy, and at most one a restart behind nginx, and every stream goes on',
  { timeout: 120_000 },
  async () => {
    if (built === undefined) throw new Error('it was built before');
    const gatewayFolder = built;
    const world = createWorld();
    const backfillId = world.addBackfill({ transferId: '5', status: 'RUNNING' });
    const done = (runs: number) =>
      world.set(backfillId, { transfer_runs_total: 200, transfer_runs_completed: runs });
    const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
    onTestFinished(() => sandbox.close());
    const start = (port: number) => {
      const env = {
        ...unitEnvironment(port),
        SUPERMETRICS_API_URL: sandbox.url,
        SUBSCRIPTION_POLL_MS: '500',
      };
      return runBuilt(gatewayFolder, { port, env });
    };
    const ports = [await freePort(), await freePort()] as const;
    const gateways = await Promise.all(ports.map(async (port) => [port, await start(port)] as const));

    done(1);
    const crowd = { pollers: 40, pollMs: 500, streams: 100, backfillId };
    const balancers = [await startUntilEnd(nginx, ports), await startUntilEnd(haproxy, ports)];
    const fleets = balancers.map((balancer) => startClients(balancer, crowd));
    onTestFinished(async () => {
      await Promise.all(fleets.map((fleet) => fleet.stop()));
    });
    const told = () => fleets.map(({ latest, over }) => [new Set(latest), over]);
    const all = (runs: number) => fleets.map(() => [new Set([runs]), []]);
    await expect.poll(told, { timeout: 15_000 }).toEqual(all(1));

    // As `systemctl restart` does, which ends when the gateway is ready.
    for (const [port, { child, exited }] of gateways) {
      child.kill('SIGTERM');
      expect(await exited).toBe(0);
      await start(port);
    }
    done(2);
    await expect.poll(told, { timeout: 15_000 }).toEqual(all(2));

    await Promise.all(fleets.map((fleet) => fleet.stop()));
    const failed = fleets.map(({ outcomes }) =>
      [...outcomes].flatMap(([outcome, count]) =>
        outcome === 'ok' ? [] : Array<string>(count).fill(outcome.slice(0, 3)),
      ),
    );
    expect([[], ['502'], ['502', '502']]).toContainEqual(failed[0]);
    expect(failed[1]).toEqual([]);
    for (const { outcomes, reconnects } of fleets) {
      expect(outcomes.get('ok')).toBeGreaterThan(500);
      // Each stream was broken off at least once.
      expect(reconnects.length).toBeGreaterThanOrEqual(100);
    }
  },
);
