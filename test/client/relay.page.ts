import { requestSubscription } from 'relay-runtime';
import { type PageScript, rowText } from '../support/frontend.ts';
import { createRelayEnvironment } from './relay/environment.ts';
import Cancel, { type backfillsCancelMutation } from './relay/generated/backfillsCancelMutation.graphql.ts';
import Dashboard, {
  type backfillsDashboardQuery,
} from './relay/generated/backfillsDashboardQuery.graphql.ts';
import Live, { type backfillsLiveSubscription } from './relay/generated/backfillsLiveSubscription.graphql.ts';
import Start, { type backfillsStartMutation } from './relay/generated/backfillsStartMutation.graphql.ts';
import { codesOf, mutate, MutationFailure, resultState, watch } from './relay/rows.ts';

const start: PageScript = ({ url, pages, pollMs, token, show }) => {
  const environment = createRelayEnvironment({ url, token });
  for (const { teamId, transferIds } of pages) {
    const variables = { teamId, transferIds };
    // The polls find backfills that have begun; the events move the rows between them.
    watch<backfillsDashboardQuery>(environment, Dashboard, variables, pollMs, ({ data, failure }) => {
      for (const [n, id] of transferIds.entries()) {
        void show(`${teamId}/${id}`, rowText(resultState(data?.transfers[n]?.latestBackfill, failure)));
      }
    });
    requestSubscription<backfillsLiveSubscription>(environment, {
      subscription: Live,
      variables: { teamId },
      onError: (error) => void show(`live ${teamId}`, `failed: ${codesOf(error).join()}`),
    });
  }
  return {
    start: (teamId = '', transferId = '') => {
      const input = { teamId, transferId, rangeStartDate: '2026-01-01', rangeEndDate: '2026-01-10' };
      return mutate<backfillsStartMutation>(environment, Start, { input }).then(
        ({ createBackfill }) => createBackfill?.id ?? '',
        codeOf,
      );
    },
    cancel: (teamId = '', id = '') =>
      mutate<backfillsCancelMutation>(environment, Cancel, { teamId, id }).then(
        ({ cancelBackfill }) => cancelBackfill?.status ?? '',
        codeOf,
      ),
  };
};

function codeOf(error: unknown): string {
  if (error instanceof MutationFailure) return error.code;
  throw error;
}

export default start;
