import { resourceId, resourceIds } from '../input.ts';
import type { QueryResolvers } from '../types.generated.ts';

const MAX_TRANSFERS = 100;

export const Query: QueryResolvers = {
  backfill(_query, args, context) {
    const { backfill } = context.loaders();
    const teamId = context.teamId(args.teamId);
    return backfill.load({ teamId, id: resourceId(args.id, 'The argument "id"') });
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
    return resourceIds(args.ids, 'ids', MAX_TRANSFERS).map((id) => ({ teamId, id }));
  },
};
