import { isResourceId, type ResourceId } from '../../../src/ids.ts';
import { createLog } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics.ts';
import type { Call } from '../../../src/sandbox/calls.ts';
import { startSandbox } from '../../../src/sandbox/server.ts';
import type { BackfillSnapshot } from '../../../src/upstream/cache/snapshots.ts';
import type { Stretch } from '../../../src/upstream/quota/demand.ts';
import { OperationCost } from '../../../src/upstream/reads/operation-cost.ts';
import type { ReadContext } from '../../../src/upstream/reads/read.ts';
import { factsOf } from '../../../src/upstream/rest/statuses.ts';
import { parseCredential } from '../../../src/upstream/credentials.ts';
import { createUpstream } from '../../../src/upstream/upstream.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { type Fleet, POLL_MS, worldOf } from './fleet.ts';

export const TTL_MS = 2_000;
export const FINAL_TTL_MS = 60_000;
const STALE_MS = 300_000;
const TIMEOUT_MS = 10_000;
const MAX_CONCURRENCY = 64;
const MAX_CALLS_PER_OPERATION = 200;

/** One dashboard as its client got it. */
export interface Dashboard {
  readonly now: number;
  readonly transferIds: readonly string[];
  /** In the same order; an error where there was one. */
  readonly answers: readonly (BackfillSnapshot | Error | null)[];
  /** What the upstream was asked for it. */
  readonly calls: readonly Call[];
  readonly stretch: Stretch;
  readonly remaining: number;
}

/**
 * Has a fleet poll through the gateway's upstream half for so long a time of the
 * injected clock. Without GraphQL and HTTP in front an hour of it takes a minute; every client polls as it would.
 */
export async function drive(
  fleet: Fleet,
  { quota, forMs }: { readonly quota: number; readonly forMs: number },
  see: (dashboard: Dashboard) => void,
): Promise<void> {
  const clock = createManualClock();
  const startsAt = clock.now();
  const sandbox = await startSandbox({ world: worldOf(fleet, () => clock.now()), hourlyQuota: quota });
  const upstream = createUpstream(
    {
      baseUrl: new URL(sandbox.url),
      ttlMs: TTL_MS,
      finalTtlMs: FINAL_TTL_MS,
      staleMs: STALE_MS,
      staleAfterMs: 3_000,
      maxBytes: 128 * 1024 ** 2,
      // The sandbox tells its own with each answer.
      hourlyQuota: 5_000,
      replicas: 1,
      timeoutMs: TIMEOUT_MS,
      maxConcurrency: MAX_CONCURRENCY,
      pollMs: POLL_MS,
    },
    { clock, log: createLog('silent'), metrics: createMetrics() },
  );
  const { backfills, quota: account } = upstream;
  const credential = parseCredential('Bearer sandbox-full');
  if (credential === undefined) throw new Error('the credential of the sandbox is none');
  const caller = { credential, requestId: 'economy', traceparent: undefined };
  const teamId = idFrom('1');
  const clients = fleet.clients.map(({ offsetMs, transferIds }) => ({
    offsetMs,
    transferIds: transferIds.map(idFrom),
  }));

  for (let since = 0; since < forMs; since += POLL_MS) {
    for (const { offsetMs, transferIds } of clients) {
      clock.advance(startsAt + since + offsetMs - clock.now());
      const context: ReadContext = {
        caller,
        mode: { kind: 'fresh' },
        cost: new OperationCost(MAX_CALLS_PER_OPERATION),
      };
      const answers = await Promise.all(
        transferIds.map((id) => backfills.latestBackfill(context, teamId, id).catch(asError)),
      );
      const calls = sandbox.calls.all;
      see({
        now: clock.now(),
        transferIds,
        answers,
        calls,
        stretch: account.stretch(credential.id),
        remaining: account.remaining(credential.id),
      });
      if (calls.length > 0) sandbox.calls.reset();
    }
  }
  await upstream.close();
  await sandbox.close();
}

export function isIncomplete({ record }: BackfillSnapshot): boolean {
  return factsOf(record.status)?.listed ?? false;
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

function idFrom(text: string): ResourceId {
  if (!isResourceId(text)) throw new RangeError(`${text} is no id`);
  return text;
}
