import type { GraphiQLOptions } from 'graphql-yoga';

/** The operation and headers with which GraphiQL opens. */
export interface GraphiqlDefaults {
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Queries of further tabs; called each time the page is opened. */
  readonly moreTabs?: () => readonly string[];
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
  headers: { Authorization: 'Bearer <token>', 'X-Team-Id': '<team>', 'X-Explain-Cost': '1' },
};

/** @returns the options of a page from the URL of its request */
export function graphiqlOptions({
  query,
  headers: byName,
  moreTabs = () => [],
}: GraphiqlDefaults = DEFAULTS): (request: { readonly url: string }) => GraphiQLOptions {
  const headers = JSON.stringify(byName, null, 2);
  const common: GraphiQLOptions & { readonly storage: null } = {
    title: 'Backfill gateway',
    defaultQuery: query,
    headers,
    // In view, because no operation works without a token and a team.
    defaultEditorToolsVisibility: 'headers',
    // A token typed into GraphiQL must not stay in the browser's storage. Nothing else is kept there either: GraphiQL
    // restores tabs without their headers as one empty tab, and the default query would never be seen again. The
    // typed query survives a reload in the page's URL.
    shouldPersistHeaders: false,
    storage: null,
  };

  return ({ url }) => {
    const queries = [query, ...moreTabs()];
    // GraphiQL writes the typed query into the page's URL, but ignores the URL when it is given default tabs.
    const typed = new URL(url, 'http://localhost').searchParams.get('query');
    const isTyped = typed !== null && !queries.map(shapeOf).includes(shapeOf(typed));
    if (queries.length === 1 || isTyped) return common;
    return { ...common, defaultTabs: queries.map((each) => ({ query: each, headers })) };
  };
}

/** The query without its ids, which differ each time the page is opened. */
function shapeOf(query: string): string {
  return query.replaceAll(/\d+/g, '0');
}

/** Loads GraphiQL's scripts, 34 MiB of memory, when somebody opens it: in production nobody does. */
export async function renderGraphiQL(options: GraphiQLOptions): Promise<string> {
  return (await import('@graphql-yoga/render-graphiql')).renderGraphiQL(options);
}
