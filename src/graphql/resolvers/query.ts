import { withinAnswer } from '../answer-budget.ts';
import { FailedField } from '../failed-field.ts';
import { resourceId, resourceIds } from '../input.ts';
import { maxItemsOf } from '../list-limits.ts';
import type { QueryResolvers } from '../types.generated.ts';
import { listedStatuses, statusOf } from './status.ts';

export const Query: QueryResolvers = {
  backfill(_query, args, context, info) {
    const { backfill } = context.loaders();
    const teamId = context.teamId(args.teamId);
    const reading = backfill({ teamId, id: resourceId(args.id, 'The argument "id"') });
    return withinAnswer(reading, context, info);
  },

  backfills(_query, args, context, info) {
    const { backfill } = context.loaders();
    const teamId = context.teamId(args.teamId);
    const ids = resourceIds(args.ids, 'ids', maxItemsOf('backfills'));
    return ids.map((id, index) => withinAnswer(backfill({ teamId, id }), context, info, index));
  },

  async incompleteBackfills(_query, args, context, info) {
    const { incompleteBackfills } = context.loaders();
    const teamId = context.teamId(args.teamId);
    const statuses =
      args.statuses == null ? undefined : listedStatuses(args.statuses, maxItemsOf('incompleteBackfills'));
    const list = await incompleteBackfills(teamId).catch((thrown: unknown) => {
      throw FailedField.at(info, thrown);
    });
    if (statuses === undefined) return list;
    return { ...list, items: list.items.filter((item) => statuses.has(statusOf(item))) };
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
