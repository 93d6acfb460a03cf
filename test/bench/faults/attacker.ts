import { Agent } from 'node:http';
import { setPriority } from 'node:os';
import type { Attack } from './attack.ts';
import { DOOR_ATTACKS } from './door-attacks.ts';
import { NEIGHBOURS } from './bad-neighbours.ts';
import { type AttackOrder, createTarget, type Tally } from './target.ts';

/** The attackers, a process of their own that gives way to the ordinary clients beside it on the same core. */
setPriority(5);

const ATTACKS: Readonly<Record<AttackOrder['bench'], Readonly<Record<string, Attack>>>> = {
  door: DOOR_ATTACKS,
  neighbours: NEIGHBOURS,
};

const agent = new Agent({ keepAlive: true, maxFreeSockets: Infinity });

async function follow(order: AttackOrder): Promise<Tally> {
  const { bench, step, name = '' } = order;
  const { target, tally, end } = createTarget(order, agent);
  const { prepare, run } = ATTACKS[bench][name] ?? {};
  if (step === 'prepare') {
    await prepare?.(target);
    return tally();
  }
  await (run?.(target) ?? target.untilOver());
  return end();
}

process.on('message', (order: AttackOrder) => {
  void follow(order).then((tally) => process.send?.(tally));
});
process.on('disconnect', () => process.exit());
