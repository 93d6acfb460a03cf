import type { GraphQLResolveInfo } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { FailedField } from '../failed-field.ts';
import { resourceId, resourceIds } from '../input.ts';
import { maxItemsOf } from '../list-limits.ts';
import { FailedRow, type Row } from '../live/rows.ts';
import type { BackfillParent } from '../parents.ts';
import type { SubscriptionResolvers } from '../types.generated.ts';

export const Subscription: SubscriptionResolvers = {
  backfillUpdated: {
    subscribe(_subscription, args, context) {
      const reader = context.reader();
      const teamId = context.teamId(args.teamId);
      return context.updates.open(reader, teamId, resourceId(args.id, 'The argument "id"'));
    },

    resolve(snapshot: BackfillParent, _args: unknown, context: GatewayContext, info: GraphQLResolveInfo) {
      beginEvent(context);
      return admitted(snapshot, context, info);
    },
  },

  backfillsUpdated: {
    subscribe(_subscription, args, context) {
      const reader = context.reader();
      const teamId = context.teamId(args.teamId);
      const ids = resourceIds(args.ids, 'ids', maxItemsOf('backfillsUpdated'));
      return context.updates.openMany(reader, teamId, ids);
    },

    resolve(rows: readonly Row[], _args: unknown, context: GatewayContext, info: GraphQLResolveInfo) {
      beginEvent(context);
      const fitting = rows.map((row) => (row instanceof FailedRow ? row : admitted(row, context, info)));
      return fitting.map((row, index) =>
        row instanceof FailedRow ? Promise.reject(FailedField.at(info, row.error, index)) : row,
      );
    },
  },

  incompleteBackfillsUpdated: {
    subscribe(_subscription, args, context) {
      const reader = context.reader();
      return context.updates.openIncomplete(reader, context.teamId(args.teamId));
    },

    resolve(
      snapshots: readonly BackfillParent[],
      _args: unknown,
      context: GatewayContext,
      info: GraphQLResolveInfo,
    ) {
      beginEvent(context);
      return snapshots.map((snapshot) => admitted(snapshot, context, info));
    },
  },
};

/** Execution resolves the root field once for each event and before the event's other fields, so the event begins there. */
function beginEvent({ answer, beginEvent: begin }: GatewayContext): void {
  begin();
  answer?.beginEvent();
}

/** @throws {GraphQLError} `REQUEST_LIMIT_EXCEEDED` where its report would make the event too large */
function admitted(
  snapshot: BackfillParent,
  { answer }: GatewayContext,
  info: GraphQLResolveInfo,
): BackfillParent {
  if (answer?.admit(snapshot, info) === null) throw answer.error();
  return snapshot;
}
