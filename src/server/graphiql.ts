import type { GraphiQLOptions } from 'graphql-yoga';

/** What GraphiQL shows when it opens. */
export interface GraphiqlDefaults {
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
}

const DEFAULTS: GraphiqlDefaults = {
  query: `# The latest backfill of some transfers.
# Put your token and team into "Headers" below and the ids of your transfers into the query, then press the button.
query LatestBackfills {
  transfers(ids: ["1", "2"]) {
    id
    latestBackfill {
      id
      status
      progress
      rangeStartDate
      rangeEndDate
      estimatedEndTime
      fetchedAt
    }
  }
}
`,
  headers: { Authorization: 'Bearer <token>', 'X-Team-Id': '<team>' },
};

export function graphiqlOptions({ query, headers }: GraphiqlDefaults = DEFAULTS): GraphiQLOptions {
  return {
    title: 'Backfill gateway',
    defaultQuery: query,
    headers: JSON.stringify(headers, null, 2),
    // A token typed into GraphiQL is not to be found in the browser's storage later.
    shouldPersistHeaders: false,
  };
}
