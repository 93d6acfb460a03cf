import type { GraphiQLOptions } from 'graphql-yoga';
import { DEMO_TEAM_ID } from '../../sandbox/world/demo-world.ts';
import { DEMO_TOKENS } from '../../sandbox/world/tokens.ts';

const HEADERS = { Authorization: `Bearer ${DEMO_TOKENS.full}`, 'X-Team-Id': DEMO_TEAM_ID };

/** The operations of GraphiQL over the composed graph, each in a tab of its own. Each needs both subgraphs. */
export const COMPOSED_OPERATIONS = [
  `# One page of two subgraphs. Names come from the
# owner of transfers, latest backfills from the
# gateway. The router asks each of them once.
query TransfersOfTeam {
  transfersOfTeam(teamId: "${DEMO_TEAM_ID}", first: 10) {
    id
    teamId
    name
    dataSource
    latestBackfill {
      id
      teamId
      status
      progress
    }
  }
}
`,
  `# What goes on in the team, live, with names from
# the owner: press the button and look on.
subscription Live {
  incompleteBackfillsUpdated(teamId: "${DEMO_TEAM_ID}") {
    id
    teamId
    status
    progress
    transfer {
      id
      teamId
      name
    }
  }
}
`,
  `# Query.transfer is the owner's, by @override.
query OneTransfer {
  transfer(id: "456841", teamId: "${DEMO_TEAM_ID}") {
    id
    teamId
    name
    destination
    latestBackfill {
      id
      teamId
      status
      errorReport {
        transferRunDate
        error
      }
    }
  }
}
`,
];

/**
 * What the page opens with. It repeats nothing of its URL, into which GraphiQL writes what was typed: without tabs of ours
 * GraphiQL reads that by itself.
 */
export function composedGraphiql({ url }: { readonly url: string }): GraphiQLOptions {
  const headers = JSON.stringify(HEADERS, null, 2);
  const typed = new URL(url).searchParams.get('query');
  const isTyped = typed !== null && !COMPOSED_OPERATIONS.includes(typed);
  const options: GraphiQLOptions & { readonly storage: null } = {
    title: 'Composed graph',
    headers,
    ...(!isTyped && { defaultTabs: COMPOSED_OPERATIONS.map((query) => ({ query, headers })) }),
    // In view, because no operation works without a token.
    defaultEditorToolsVisibility: 'headers',
    // A token must not stay in the browser's storage, and tabs restored from there would come without it.
    shouldPersistHeaders: false,
    storage: null,
  };
  return options;
}
