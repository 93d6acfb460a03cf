import { type PageScript, rowText } from '../support/frontend.ts';
import { type Answer, createClient } from './client.ts';
import { listen, moved } from './fetch/events.ts';
import { poll, type Polls } from './fetch/poll.ts';
import {
  CancelDocument,
  DashboardDocument,
  type DashboardQuery,
  LiveDocument,
  StartDocument,
} from './generated/graphql.ts';
import { rowState } from './row-state.ts';
import { createSocket } from './socket.ts';

const start: PageScript = ({ url, pages, pollMs, token, show }) => {
  const ask = createClient(url, async () => ({ Authorization: `Bearer ${await token()}` }));
  const subscribe = createSocket({ url, token });
  const polls: Polls[] = [];
  for (const { teamId, transferIds } of pages) {
    let answer: Answer<DashboardQuery> | undefined;
    function showRows(next: Answer<DashboardQuery> | undefined): void {
      answer = next;
      for (const [n, id] of transferIds.entries()) {
        void show(`${teamId}/${id}`, rowText(rowState(next, ['transfers', n, 'latestBackfill'])));
      }
    }
    showRows(undefined);
    // The polls find backfills that have begun; the events move the rows between them.
    polls.push(poll(() => ask(DashboardDocument, { teamId, transferIds }), pollMs, showRows));
    listen(
      subscribe,
      LiveDocument,
      { teamId },
      (data) => showRows(moved(answer, data.incompleteBackfillsUpdated)),
      (error) => {
        if (error !== undefined) void show(`live ${teamId}`, `failed: ${codeOf(error)}`);
      },
    );
  }

  /** What came of a mutation. One that got no answer of the gateway may have been done all the same. */
  async function outcome(
    answered: Promise<Answer<unknown>>,
    value: () => string | undefined,
  ): Promise<string> {
    const errors = await answered.then(
      (answer) => answer.errors,
      () => undefined,
    );
    for (const { again } of polls) again();
    if (errors === undefined) return 'OUTCOME_UNKNOWN';
    return errors[0]?.extensions.code ?? value() ?? '';
  }

  return {
    async start(teamId = '', transferId = '') {
      const input = { teamId, transferId, rangeStartDate: '2026-01-01', rangeEndDate: '2026-01-10' };
      let id: string | undefined;
      const answered = ask(StartDocument, { input }).then((answer) => {
        id = answer.data?.createBackfill?.id;
        return answer;
      });
      return outcome(answered, () => id);
    },
    async cancel(teamId = '', id = '') {
      let status: string | undefined;
      const answered = ask(CancelDocument, { teamId, id }).then((answer) => {
        status = answer.data?.cancelBackfill?.status;
        return answer;
      });
      return outcome(answered, () => status);
    },
  };
};

function codeOf(error: object): string {
  return 'extensions' in error ? (error.extensions as { readonly code: string }).code : 'none';
}

export default start;
