import { withinAnswer } from '../answer-budget.ts';
import { resourceId, resourceIds } from '../input.ts';
import { maxItemsOf } from '../list-limits.ts';
import type { QueryResolvers } from '../types.generated.ts';

export const Query: QueryResolvers = {
  backfill(_query, args, context, info) {
    const { backfill } = context.loaders();
    const teamId = context.teamId(args.teamId);
    const reading = backfill.load({ teamId, id: resourceId(args.id, 'The argument "id"') });
    return withinAnswer(reading, context, info);
  },

  // `transfer` and `transfers` read nothing. They call `loaders()` and `teamId()` to report a missing credential or
  // team once, instead of once for each transfer.
  transfer(_query, args, context) {
    context.loaders();
    const teamId = context.teamId(args.teamId);
    return { teamId, id: resourceId(args.id, 'The argument "id"') };
  },

  transfers(_query, args, context) {
    context.loaders();
    const teamId = context.teamId(args.teamId);
    return resourceIds(args.ids, 'ids', maxItemsOf('transfers')).map((id) => ({ teamId, id }));
  },
};
