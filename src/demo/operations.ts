import type { GraphiqlDefaults } from '../server/graphiql.ts';

/** The demo's GraphiQL opens with one transfer in each state, as a caller that the sandbox knows. */
export const DEMO_GRAPHIQL: GraphiqlDefaults = {
  query: `# Backfills of a sandbox that never stands still:
# press the button, and again a few seconds later.
query Backfills {
  running: transfer(id: "456801") {
    ...Latest
  }
  everyTwoMinutesANewOne: transfer(id: "456789") {
    ...Latest
  }
  finished: transfer(id: "456807") {
    ...Latest
  }
  neverRun: transfer(id: "456845") {
    ...Latest
  }
}

fragment Latest on Transfer {
  latestBackfill {
    id
    status
    progress
    transferRunsCompleted
    transferRunsFailed
    transferRunsTotal
    estimatedEndTime
    fetchedAt
  }
}
`,
  headers: { Authorization: 'Bearer sandbox-full', 'X-Team-Id': '936506', 'X-Explain-Cost': '1' },
};

/** A subscription to one backfill, for a tab of its own. */
export function demoProgress(backfillId: string): string {
  return `# A backfill that has just begun, for a minute and a half
# up to its end: press the button and look on.
# Reload the page for the next one.
subscription Progress {
  backfillUpdated(id: "${backfillId}") {
    status
    progress
    transferRunsCompleted
    transferRunsTotal
    estimatedEndTime
    fetchedAt
  }
}
`;
}

/** Operations to paste into GraphiQL; the first line of each says what its answer shows. */
export const DEMO_OPERATIONS = [
  `# A dashboard: six transfers, one of them without any backfill
query Dashboard {
  transfers(ids: ["456789", "456801", "456807", "456841", "456844", "456845"]) {
    id
    latestBackfill { id status progress estimatedEndTime fetchedAt }
  }
}`,
  `# One backfill whose id JavaScript's numbers cannot hold
query OneBackfill {
  backfill(id: "9223372036854775807") {
    id status rangeStartDate rangeEndDate progress
    transfer { id }
  }
}`,
  `# A backfill that does not exist: errors[0].extensions.code is NOT_FOUND
query NoSuchBackfill {
  backfill(id: "404") { id status }
}`,
];

/** For a shell: without spaces, it stands in a URL as it is. */
export const DEMO_CURL_QUERY = '{backfill(id:12345){id,teamId,progress}}';

/** Tokens that the sandbox refuses, with its status and the gateway's error code. */
export const DEMO_REFUSALS = {
  'sandbox-noaccess': '403, so FORBIDDEN',
  'sandbox-exhausted': '429, so RATE_LIMITED',
  'sandbox-rowquota': '429, so QUOTA_EXCEEDED',
  'any other token': '401, so UNAUTHENTICATED',
};
