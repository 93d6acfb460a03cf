import {
  DEMO_TEAM_ID,
  DEMO_TRANSFER_IDS,
  OTHER_DEMO_TEAM_ID,
  OTHER_DEMO_TRANSFER_IDS,
} from '../../sandbox/world/demo-world.ts';

/** What the owner of transfers knows of one. Their backfills are not its business. */
export interface Transfer {
  readonly id: string;
  readonly teamId: string;
  readonly name: string;
  readonly dataSource: string;
  readonly destination: string;
}

const REPORTS = [
  ['Google Ads', 'campaigns'],
  ['Facebook Ads', 'ad sets'],
  ['LinkedIn Ads', 'creatives'],
  ['Google Analytics 4', 'sessions'],
  ['Search Console', 'queries'],
  ['TikTok Ads', 'ads'],
  ['Microsoft Advertising', 'keywords'],
  ['Shopify', 'orders'],
  ['HubSpot', 'deals'],
  ['Stripe', 'payments'],
] as const;

const DESTINATIONS = ['BigQuery', 'Snowflake', 'Amazon Redshift'];
const MARKETS = ['Nordics', 'DACH', 'UK', 'France', 'Iberia', 'North America'];

/** Each a report of a market, so that no two of a team have one name. */
function transfersOf(teamId: string, ids: readonly string[]): readonly Transfer[] {
  return ids.map((id, n) => {
    const [dataSource, report] = REPORTS[n % REPORTS.length] ?? REPORTS[0];
    const market = MARKETS[Math.floor(n / REPORTS.length) % MARKETS.length] ?? '';
    const destination = DESTINATIONS[n % DESTINATIONS.length] ?? '';
    return { id, teamId, name: `${dataSource} ${report}, ${market}`, dataSource, destination };
  });
}

const { running, partlyFailed, failed, cancelled, scheduled, neverRun, oddTime, huge, lively, completed } =
  DEMO_TRANSFER_IDS;

/** Those of the sandbox, the ones worth looking at first. */
export const DEMO_TRANSFERS: readonly Transfer[] = [
  ...transfersOf(DEMO_TEAM_ID, [
    ...running.slice(0, 3),
    ...lively.slice(0, 3),
    partlyFailed,
    failed,
    cancelled,
    neverRun,
    ...running.slice(3),
    ...lively.slice(3),
    scheduled,
    oddTime,
    huge,
    ...completed,
  ]),
  ...transfersOf(OTHER_DEMO_TEAM_ID, Object.values(OTHER_DEMO_TRANSFER_IDS)),
];
