import { withinAnswer } from '../answer-budget.ts';
import type { TransferResolvers } from '../types.generated.ts';

export const Transfer: TransferResolvers = {
  latestBackfill: (transfer, _args, context, info) =>
    withinAnswer(context.loaders().latestBackfill(transfer), context, info),
};
