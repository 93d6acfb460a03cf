import { expect, it } from 'vitest';
import { startGroup } from '../../support/group.ts';

it('a replica that stops gives up its locks: another one makes the call at once, and not when they would have ended', async () => {
  const stack = await startGroup(2);
  const [one, other] = stack.replicas;
  if (one === undefined || other === undefined) throw new Error('there are two');
  const id = stack.world.addBackfill({ transferId: '5', status: 'RUNNING' });
  const calls = (): number => stack.sandbox.calls.count('getBackfillById');
  stack.sandbox.faults.add({ answer: { kind: 'hang' } });
  const lost = one.query(`{ backfill(id: "${id}") { status } }`).catch(String);
  await expect.poll(calls).toBe(1);
  const waiting = other.query(`{ backfill(id: "${id}") { status } }`);
  // The clock stands still, so no lock ends.
  await one.stop();
  expect((await waiting).data).toEqual({ backfill: { status: 'RUNNING' } });
  expect(calls()).toBe(2);
  expect(await lost).toContain('fetch failed');
});
