import type { GraphiqlDefaults } from '../server/graphiql.ts';
import { type GraphiqlTab, LIST_TAB, LIVE_LIST_TAB, progressTab } from '../server/graphiql-tabs.ts';
import {
  DEMO_BACKFILL_IDS,
  DEMO_TEAM_ID,
  DEMO_TRANSFER_IDS,
  newbornBackfillId,
} from '../sandbox/world/demo-world.ts';
import { DEMO_TOKENS } from '../sandbox/world/tokens.ts';
import type { World } from '../sandbox/world/world.ts';

export const DEMO_HEADERS = {
  Authorization: `Bearer ${DEMO_TOKENS.full}`,
  'X-Team-Id': DEMO_TEAM_ID,
  'X-Explain-Cost': '1',
};

/** For a shell: without spaces, it stands in a URL as it is. */
export const DEMO_CURL_QUERY = `{backfill(id:${DEMO_BACKFILL_IDS.running}){id,teamId,progress}}`;

/** What the demo's GraphiQL opens with, as a caller that the sandbox knows. Its ids all mean something. */
export function demoGraphiql(world: World): GraphiqlDefaults {
  return {
    tabs: () => [
      FIRST_TAB,
      LIST_TAB,
      LIVE_LIST_TAB,
      {
        ...progressTab(
          newbornBackfillId(world),
          `# One that has just begun, up to its end in less
# than two minutes. Reload for the next one.`,
        ),
        hasFreshIds: true,
      },
      CREATE_TAB,
      CANCEL_TAB,
    ],
    headers: DEMO_HEADERS,
  };
}

/** Its answer ends with its cost, which is in view on a screen of 1280×800. */
export const FIRST_TAB: GraphiqlTab = {
  query: `# A row that moves, one that never ran, and more.
# Press the button, and soon once more.
query Backfills {
  running: transfer(id: "${DEMO_TRANSFER_IDS.running[0] ?? ''}") {
    id
    teamId
    latestBackfill {
      id
      teamId
      status
      progress
      transferRunsCompleted
      fetchedAt
    }
  }
  neverRun: transfer(id: "${DEMO_TRANSFER_IDS.neverRun}") {
    id
    teamId
    latestBackfill {
      id
      teamId
      status
    }
  }
  finished: backfill(id: "${DEMO_BACKFILL_IDS.completed}") {
    id
    teamId
    status
    progress
  }
}
`,
};

export const CREATE_TAB: GraphiqlTab = {
  query: `# Starts the first backfill of a transfer. Again,
# it is BAD_USER_INPUT: active ones never overlap.
mutation Create {
  createBackfill(
    input: {
      transferId: "${DEMO_TRANSFER_IDS.neverRun}"
      rangeStartDate: "2024-01-01"
      rangeEndDate: "2024-01-31"
    }
  ) {
    id
    teamId
    status
    progress
    transfer {
      id
      teamId
    }
  }
}
`,
};

export const CANCEL_TAB: GraphiqlTab = {
  query: `# Cancels a backfill that waits for its runs. Once
# more is CONFLICT: nothing is left to cancel.
mutation Cancel {
  cancelBackfill(id: "${DEMO_BACKFILL_IDS.scheduled}") {
    id
    teamId
    status
    removedTime
    transfer {
      id
      teamId
    }
  }
}
`,
};
