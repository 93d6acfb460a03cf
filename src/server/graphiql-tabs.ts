/** An operation in a tab of GraphiQL. Its comments fit the 50 columns that the editor shows on a screen of 1280 pixels. */
export interface GraphiqlTab {
  /** A document of one named operation, whose name is the tab's. */
  readonly query: string;
  /** Its ids are others each time the page is opened. */
  readonly hasFreshIds?: true;
}

export const LIST_TAB: GraphiqlTab = {
  query: `# All in the team that is not over, for one call.
query List {
  incompleteBackfills {
    items {
      id
      teamId
      status
      progress
      isStale
      transfer {
        id
        teamId
      }
    }
    isPartial
    fetchedAt
  }
}
`,
};

export const LIVE_LIST_TAB: GraphiqlTab = {
  query: `# The same list as it goes on: first all, then
# what has changed. The button stops it.
subscription LiveList {
  incompleteBackfillsUpdated {
    id
    teamId
    status
    progress
    isStale
    fetchedAt
  }
}
`,
};

/** @param comments lines that begin with # */
export function progressTab(backfillId: string, comments: string): GraphiqlTab {
  return {
    query: `${comments}
subscription Progress {
  backfillUpdated(id: "${backfillId}") {
    id
    teamId
    status
    progress
    transferRunsCompleted
    transferRunsTotal
    estimatedEndTime
    fetchedAt
  }
}
`,
  };
}

/** Over the real API, where the ids are the user's to fill in. */
export const DEFAULT_TABS: readonly GraphiqlTab[] = [
  {
    query: `# Put your token into "Headers" below, and ids of
# yours in the place of 1. Then press the button.
query Backfills {
  transfer(id: "1") {
    id
    teamId
    latestBackfill {
      ...State
    }
  }
  backfill(id: "1") {
    ...State
  }
}

fragment State on Backfill {
  id
  teamId
  status
  progress
  estimatedEndTime
  isStale
  fetchedAt
}
`,
  },
  LIST_TAB,
  LIVE_LIST_TAB,
  progressTab(
    '1',
    `# One backfill up to its end. Put an id of yours
# in the place of 1.`,
  ),
];
