import type { GraphQLResolveInfo } from 'graphql';
import type { GatewayContext } from '../context.ts';
import { resourceId } from '../input.ts';
import type { BackfillParent } from '../parents.ts';
import type { SubscriptionResolvers } from '../types.generated.ts';

export const Subscription: SubscriptionResolvers = {
  backfillUpdated: {
    subscribe(_subscription, args, context) {
      const reader = context.reader();
      const teamId = context.teamId(args.teamId);
      return context.updates.open(reader, teamId, resourceId(args.id, 'The argument "id"'));
    },

    // Execution calls this once for each event and before the event's fields, so the event begins here.
    resolve(snapshot: BackfillParent, _args: unknown, context: GatewayContext, info: GraphQLResolveInfo) {
      context.beginEvent();
      context.answer?.beginEvent();
      if (context.answer?.admit(snapshot, info) === null) throw context.answer.error();
      return snapshot;
    },
  },
};
