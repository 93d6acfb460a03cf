import { setPriority } from 'node:os';
import { ATTACKS } from './door-attacks.ts';
import { type AttackOrder, createTarget, type Tally } from './door-target.ts';

/** The attackers, a process of their own that gives way to the ordinary clients beside it on the same core. */
setPriority(5);

async function attack({
  name,
  port,
  seconds,
}: Extract<AttackOrder, { readonly order: 'attack' }>): Promise<Tally> {
  const { target, end } = createTarget(port, seconds);
  await ATTACKS[name]?.run(target);
  return end();
}

process.on('message', (message: AttackOrder) => {
  if (message.order === 'prepare') process.send?.('ready');
  else void attack(message).then((tally) => process.send?.(tally));
});
process.on('disconnect', () => process.exit());
