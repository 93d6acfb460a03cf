import { type PageScript, rowText } from '../support/frontend.ts';
import { CancelDocument, DashboardDocument, LiveDocument, StartDocument } from './generated/trees/graphql.ts';
import { rowState } from './row-state.ts';
import { codeOfFailure, watchAnswer } from './urql/answers.ts';
import { createUrqlClient } from './urql/client.ts';

const start: PageScript = ({ url, pages, pollMs, token, show }) => {
  const client = createUrqlClient({ url, token });
  for (const { teamId, transferIds } of pages) {
    // The polls find backfills that have begun; the events move the rows between them.
    watchAnswer(client, DashboardDocument, { teamId, transferIds }, pollMs, (answer) => {
      for (const [n, id] of transferIds.entries()) {
        void show(`${teamId}/${id}`, rowText(rowState(answer, ['transfers', n, 'latestBackfill'])));
      }
    });
    client.subscription(LiveDocument, { teamId }).subscribe(({ error }) => {
      if (error !== undefined) void show(`live ${teamId}`, `failed: ${codeOfFailure(error)}`);
    });
  }
  return {
    async start(teamId = '', transferId = '') {
      const input = { teamId, transferId, rangeStartDate: '2026-01-01', rangeEndDate: '2026-01-10' };
      const { data, error } = await client.mutation(StartDocument, { input }).toPromise();
      return data?.createBackfill?.id ?? codeOfFailure(error);
    },
    async cancel(teamId = '', id = '') {
      const { data, error } = await client.mutation(CancelDocument, { teamId, id }).toPromise();
      return data?.cancelBackfill?.status ?? codeOfFailure(error);
    },
  };
};

export default start;
