import { claimsTable, type Findings } from '../faults/claims.ts';
import { hour } from './hour.ts';
import { minute } from './minute.ts';

/**
 * What the gateway spends of the REST API's hourly quota, and how old its answers are for that. Everything is on an
 * injected clock, so an hour takes no hour, and counts are the same on every machine.
 */
export async function economy(progress: (text: string) => void): Promise<Findings> {
  const findings = [await minute(progress), await hour(progress)];
  const claims = findings.flatMap((one) => one.claims);
  const report = [...findings.map((one) => one.report), claimsTable(claims)].join('\n\n');
  return { report, claims };
}
