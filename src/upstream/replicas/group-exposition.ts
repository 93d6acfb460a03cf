import type { Metrics } from '../../metrics.ts';
import type { GroupDeps, GroupState } from './group.ts';
import { LOOK_RESULTS, type LookResult } from './group-reads.ts';
import { STEPS } from './guarded-store.ts';

/**
 * Exposes what sharing with other replicas comes to. A process that shares nothing has none of these metrics.
 * @param state undefined before the group is made
 * @returns what counts it
 */
export function exposeGroup(
  metrics: Metrics,
  state: () => GroupState | undefined,
): Pick<GroupDeps, 'onLook' | 'onStep'> {
  const looks = Object.fromEntries(LOOK_RESULTS.map((result) => [result, 0])) as Record<LookResult, number>;
  metrics.totalBy(
    'result',
    'shared_reads_total',
    'Looks at what replicas share: hit where it was there, waited where another replica was reading it, miss where this one had to, refused where it did not open, large where it was too large to share, away where Redis did not answer.',
    () => looks,
  );
  const observe = metrics.histogram('shared_step_duration_seconds', 'Steps in Redis, by outcome.', {
    step: STEPS,
    outcome: ['done', 'failed'],
  });
  metrics.gauge('shared_store_up', '1 while replicas share through Redis, 0 while each is on its own.', () =>
    state()?.awayFor === undefined ? 1 : 0,
  );
  metrics.gauge(
    'replicas',
    'Replicas that shared when Redis answered last, this one included: the same on all of them.',
    () => state()?.replicas ?? 1,
  );
  return {
    onLook(result) {
      looks[result]++;
    },
    onStep: (step, milliseconds, isDone) =>
      observe({ step, outcome: isDone ? 'done' : 'failed' }, milliseconds),
  };
}
