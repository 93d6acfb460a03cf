import { setPriority } from 'node:os';
import { ATTACKS } from './door-attacks.ts';
import { type AttackOrder, createTarget, type Tally } from './door-target.ts';

/** The attackers, a process of their own that gives way to the ordinary clients beside it on the same core. */
setPriority(5);

async function follow({ step, name = '', port, seconds }: AttackOrder): Promise<Tally> {
  const { target, end } = createTarget(port, seconds);
  const { prepare, run } = ATTACKS[name] ?? {};
  if (step === 'prepare') await prepare?.(target);
  else await (run?.(target) ?? target.untilOver());
  return end();
}

process.on('message', (order: AttackOrder) => {
  void follow(order).then((tally) => process.send?.(tally));
});
process.on('disconnect', () => process.exit());
