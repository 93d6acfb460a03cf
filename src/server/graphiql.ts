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
  const options: GraphiQLOptions & { readonly storage: null } = {
    title: 'Backfill gateway',
    defaultQuery: query,
    headers: JSON.stringify(headers, null, 2),
    // Nothing works without them, so they are in view.
    defaultEditorToolsVisibility: 'headers',
    // A token typed into GraphiQL is not to be found in the browser's storage later. Nothing else is kept there
    // either: tabs kept without their headers come back as an empty tab, and this query is never seen again. What
    // was typed survives a reload in the page's URL.
    shouldPersistHeaders: false,
    storage: null,
  };
  return options;
}

/** Its scripts take 34 MiB of memory, so they are loaded when somebody opens it: in production nobody does. */
export async function renderGraphiQL(options: GraphiQLOptions): Promise<string> {
  return (await import('@graphql-yoga/render-graphiql')).renderGraphiQL(options);
}
