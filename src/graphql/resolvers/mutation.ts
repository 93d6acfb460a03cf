import type { GraphQLResolveInfo } from 'graphql';
import type { BackfillSnapshot } from '../../upstream/cache/snapshots.ts';
import type { WriteResult } from '../../upstream/writes/writes.ts';
import { withinAnswer } from '../answer-budget.ts';
import type { WriteFacts } from '../audit.ts';
import type { GatewayContext } from '../context.ts';
import { dateRange, resourceId } from '../input.ts';
import type { MutationResolvers } from '../types.generated.ts';

export const Mutation: MutationResolvers = {
  createBackfill(_mutation, { input }, context, info) {
    const reader = context.reader();
    const teamId = context.teamId(input.teamId);
    const transferId = resourceId(input.transferId, 'The input field "transferId"');
    const range = dateRange(input.rangeStartDate, input.rangeEndDate);
    const writing = context.writes().createBackfill(reader, teamId, transferId, range);
    const dates = { rangeStartDate: range.start, rangeEndDate: range.end };
    return answer(writing, { operation: 'createBackfill', teamId, transferId, ...dates }, context, info);
  },

  cancelBackfill(_mutation, args, context, info) {
    const reader = context.reader();
    const teamId = context.teamId(args.teamId);
    const backfillId = resourceId(args.id, 'The argument "id"');
    const writing = context.writes().cancelBackfill(reader, teamId, backfillId);
    return answer(writing, { operation: 'cancelBackfill', teamId, backfillId }, context, info);
  },
};

function answer(
  writing: Promise<WriteResult>,
  facts: WriteFacts,
  context: GatewayContext,
  info: GraphQLResolveInfo,
): Promise<BackfillSnapshot | null> {
  const written = context.audited(facts, writing).finally(() => {
    // What an earlier mutation of this operation has read is from before this one.
    context.forgetReads();
  });
  return Promise.resolve(withinAnswer(written, context, info));
}
