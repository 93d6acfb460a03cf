import { SCRIPT_QUERY } from './graphiql-script.ts';
import { DEFAULT_TABS, type GraphiqlTab } from './graphiql-tabs.ts';

/** The operations and headers with which GraphiQL opens. */
export interface GraphiqlDefaults {
  /** One for each tab; called each time the page is opened. */
  readonly tabs: () => readonly GraphiqlTab[];
  readonly headers: Readonly<Record<string, string>>;
}

/** What GraphiQL opens with over the real API, where ids and the token are the user's to fill in. */
export function defaultsFor(defaultTeamId: string | undefined): GraphiqlDefaults {
  return {
    tabs: () => DEFAULT_TABS,
    headers: {
      // Not of the form of a token, so that no call is made with it.
      Authorization: 'Bearer <your token>',
      ...(defaultTeamId === undefined ? { 'X-Team-Id': '<your team>' } : {}),
      'X-Explain-Cost': '1',
    },
  };
}

/**
 * Renders the page, which is small and repeats nothing of the request. The tabs that the user finds are made in the
 * browser, because GraphiQL writes the text of the tab on view into the page's URL: a text that is none of ours is a tab
 * before the others.
 */
export function renderPage({ tabs, headers }: GraphiqlDefaults): string {
  const given = {
    tabs: tabs(),
    headers: JSON.stringify(headers, null, 2),
  };
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Backfill gateway</title>
    <link rel="icon" href="${ICON}">
  </head>
  <body class="no-focus-outline">
    <noscript>GraphiQL needs JavaScript.</noscript>
    <div id="root" style="height: 100vh"></div>
    <script src="${SCRIPT_QUERY}"></script>
    <script>
      const given = ${inScript(given)};
      ${BEGIN}
    </script>
  </body>
</html>
`;
}

const ICON =
  "data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 16 16'%3E%3Crect y='2' width='16' height='4' fill='%23bbb'/%3E%3Crect y='2' width='10' height='4' fill='%23285'/%3E%3Crect y='10' width='16' height='4' fill='%23bbb'/%3E%3Crect y='10' width='5' height='4' fill='%23285'/%3E%3C/svg%3E";

/** JSON that ends no script element. */
function inScript(value: unknown): string {
  return JSON.stringify(value).replaceAll('<', '\\u003c');
}

const BEGIN = `
      const withoutIds = (text) => text.replace(/\\d+/g, '0');
      const typed = new URLSearchParams(location.search).get('query');
      const isOurs = ({ query, hasFreshIds }) =>
        query === typed || (hasFreshIds && withoutIds(query) === withoutIds(typed));
      const queries = given.tabs.map(({ query }) => query);
      if (typed && !given.tabs.some(isOurs)) queries.unshift(typed);
      YogaGraphiQL.renderYogaGraphiQL(document.querySelector('#root'), {
        title: document.title,
        query: queries[0],
        defaultTabs: queries.map((query) => ({ query, headers: given.headers })),
        headers: given.headers,
        // In view, because no operation works without a token and a team.
        defaultEditorToolsVisibility: 'headers',
        // A token typed into GraphiQL must not stay in the browser's storage. Nothing else is kept there either: GraphiQL
        // restores tabs without their headers, and ours would never be seen again.
        shouldPersistHeaders: false,
        storage: null,
      });`.trim();
