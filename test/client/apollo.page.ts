import { type PageScript, rowText } from '../support/frontend.ts';
import { codeOfFailure, watchAnswer } from './apollo/answers.ts';
import { createApolloClient } from './apollo/client.ts';
import { CancelDocument, DashboardDocument, LiveDocument, StartDocument } from './generated/trees/graphql.ts';
import { rowState } from './row-state.ts';

const start: PageScript = ({ url, pages, pollMs, token, show }) => {
  const client = createApolloClient({ url, token });
  for (const { teamId, transferIds } of pages) {
    const variables = { teamId, transferIds };
    // The polls find backfills that have begun; the events move the rows between them.
    watchAnswer(client, { query: DashboardDocument, variables, pollInterval: pollMs }).subscribe((answer) => {
      for (const [n, id] of transferIds.entries()) {
        void show(`${teamId}/${id}`, rowText(rowState(answer, ['transfers', n, 'latestBackfill'])));
      }
    });
    client.subscribe({ query: LiveDocument, variables: { teamId } }).subscribe(({ error }) => {
      if (error !== undefined) void show(`live ${teamId}`, `failed: ${codeOfFailure(error)}`);
    });
  }
  return {
    async start(teamId = '', transferId = '') {
      const input = { teamId, transferId, rangeStartDate: '2026-01-01', rangeEndDate: '2026-01-10' };
      const { data, error } = await client.mutate({ mutation: StartDocument, variables: { input } });
      return data?.createBackfill?.id ?? codeOfFailure(error);
    },
    async cancel(teamId = '', id = '') {
      const { data, error } = await client.mutate({ mutation: CancelDocument, variables: { teamId, id } });
      return data?.cancelBackfill?.status ?? codeOfFailure(error);
    },
  };
};

export default start;
