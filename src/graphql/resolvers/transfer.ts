import type { TransferResolvers } from '../types.generated.ts';

export const Transfer: TransferResolvers = {
  latestBackfill: (transfer, _args, context) => context.loaders().latestBackfill.load(transfer),
};
