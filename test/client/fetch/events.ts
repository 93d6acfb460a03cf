// Subscriptions for the typed documents, and what their events do to a page.
import type { GatewayError } from '../../../src/graphql/error-codes.ts';
import type { Answer } from '../client.ts';
import type { BackfillProgressFragment, DashboardQuery, TypedDocumentString } from '../generated/graphql.ts';
import type { Subscribe } from '../socket.ts';

/** Begins a stream. @returns what ends it */
export function listen<Data, Variables extends Record<string, unknown>>(
  subscribe: Subscribe,
  document: TypedDocumentString<Data, Variables>,
  variables: NoInfer<Variables>,
  onData: (data: Data) => void,
  onEnd: (error?: GatewayError | Error) => void,
): () => void {
  return subscribe(
    { query: document.toString(), variables },
    {
      next: ({ data }) => {
        if (data) onData(data as Data);
      },
      error: onEnd,
      complete: onEnd,
    },
  );
}

/** The rows with the newer state of those that an event tells. Ids are unique within a team only. */
export function moved(
  answer: Answer<DashboardQuery> | undefined,
  events: readonly BackfillProgressFragment[],
): Answer<DashboardQuery> | undefined {
  if (!answer?.data) return answer;
  const transfers = answer.data.transfers.map((transfer) => {
    const { latestBackfill: row } = transfer;
    const event = events.find(({ id, teamId }) => id === row?.id && teamId === row.teamId);
    return event === undefined ? transfer : { ...transfer, latestBackfill: event };
  });
  return { ...answer, data: { ...answer.data, transfers } };
}
