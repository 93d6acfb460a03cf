import type { GraphiQLOptions } from 'graphql-yoga';

/** What GraphiQL shows when it opens. */
export interface GraphiqlDefaults {
  readonly query: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Queries of further tabs, asked for each time the page is opened. */
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

/** @returns the options of a page, by the URL of the request for it */
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
    // Nothing works without them, so they are in view.
    defaultEditorToolsVisibility: 'headers',
    // A token typed into GraphiQL is not to be found in the browser's storage later. Nothing else is kept there
    // either: tabs kept without their headers come back as an empty tab, and this query is never seen again. What
    // was typed survives a reload in the page's URL.
    shouldPersistHeaders: false,
    storage: null,
  };

  return ({ url }) => {
    const queries = [query, ...moreTabs()];
    // GraphiQL writes what was typed into the page's URL, and does not look there where there are tabs.
    const typed = new URL(url, 'http://localhost').searchParams.get('query');
    const isTyped = typed !== null && !queries.map(shapeOf).includes(shapeOf(typed));
    if (queries.length === 1 || isTyped) return common;
    return { ...common, defaultTabs: queries.map((each) => ({ query: each, headers })) };
  };
}

/** Ids differ from one time to the next. */
function shapeOf(query: string): string {
  return query.replaceAll(/\d+/g, '0');
}

/** Its scripts take 34 MiB of memory, so they are loaded when somebody opens it: in production nobody does. */
export async function renderGraphiQL(options: GraphiQLOptions): Promise<string> {
  return (await import('@graphql-yoga/render-graphiql')).renderGraphiQL(options);
}
