import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ResourceId } from '../../../src/ids.ts';
import { createLog } from '../../../src/log.ts';
import { createMetrics } from '../../../src/metrics.ts';
import { OperationCost } from '../../../src/upstream/reads/operation-cost.ts';
import type { ReadContext } from '../../../src/upstream/reads/read.ts';
import type { HttpClient } from '../../../src/upstream/transport/http.ts';
import { parseCredential } from '../../../src/upstream/credentials.ts';
import { createUpstream } from '../../../src/upstream/upstream.ts';
import { createManualClock } from '../../harness.ts';
import { id, RECORD } from '../../support/records.ts';

/** Longer than a property should take on a machine that is busy. */
const PATIENCE = 120_000;

const SETTINGS = {
  baseUrl: new URL('http://upstream.test'),
  ttlMs: 2_000,
  finalTtlMs: 60_000,
  staleMs: 300_000,
  staleAfterMs: 3_000,
  maxBytes: 100_000,
  hourlyQuota: 5_000,
  replicas: 1,
  timeoutMs: 1_000,
  maxConcurrency: 64,
  pollMs: 2_000,
};

describe('any two reads that differ in credential, team, resource or id', () => {
  interface Read {
    readonly token: string;
    readonly resource: 'backfill' | 'latest';
    readonly team: ResourceId;
    readonly id: ResourceId;
  }
  // Few, and such as could run into each other where they are put together.
  const few = fc.constantFrom('1', '11', '111', '12', '2', '21', '9223372036854775807').map(id);
  const tokens = fc.oneof(
    fc.constantFrom('a', 'aa', 'A', 'a/1', 'a.1', 'a.0', 'a/1/backfill/1', '/', '.', 'Bearer'),
    fc.stringMatching(/^[\x21-\x7e]{1,20}$/),
  );
  const reads: fc.Arbitrary<Read> = fc.record({
    token: tokens,
    resource: fc.constantFrom('backfill', 'latest'),
    team: few,
    id: few,
  });
  /** Says of a record for whom and what it was made. */
  const proofOf = (token: string, team: ResourceId, resource: string, key: ResourceId): string =>
    createHash('sha256')
      .update(JSON.stringify([token, team, resource, key]))
      .digest('hex');

  it(
    'never get the answer of one another',
    async () => {
      const made = (token: string, team: ResourceId, resource: string, key: ResourceId) => ({
        ...RECORD,
        // Its own for each transfer, or a latest read would rightly answer reads by id.
        transfer_backfill_id: resource === 'backfill' ? key : id(`9000${key.slice(0, 15)}`),
        transfer_id: resource === 'latest' ? key : RECORD.transfer_id,
        status: proofOf(token, team, resource, key),
      });
      let listed: readonly ResourceId[] = [];
      let refusedToken: string | undefined;
      const dataFor = (token: string, path: string): unknown => {
        const [, , team = '', , first, , latest] = path.split('/');
        if (latest !== undefined) return made(token, id(team), 'latest', id(first ?? ''));
        if (first !== undefined) return made(token, id(team), 'backfill', id(first));
        // Older than any that is the latest of its transfer.
        return listed.map((key) => ({
          ...made(token, id(team), 'backfill', key),
          created_time: '1999-01-01T00:00:00Z',
        }));
      };
      const http: HttpClient = {
        begin: (path, { authorization = '' }) => {
          const token = authorization.slice('Bearer '.length);
          const response = Promise.resolve({
            status: token === refusedToken ? 401 : 200,
            headers: {},
            text: JSON.stringify({ data: dataFor(token, path) }),
          });
          return { response, shortenDeadline: () => undefined, abort: () => undefined };
        },
        close: () => Promise.resolve(),
      };
      await fc.assert(
        fc.asyncProperty(
          fc.array(reads, { minLength: 2, maxLength: 12 }),
          fc.nat(11),
          async (all, refused) => {
            listed = all.filter((_, index) => index % 2 === 0).map(({ id: key }) => key);
            refusedToken = undefined;
            const clock = createManualClock();
            const { backfills } = createUpstream(SETTINGS, {
              clock,
              log: createLog('silent'),
              metrics: createMetrics(),
              http,
            });
            const answer = async (
              { token, resource, team, id: key }: Read,
              mode: ReadContext['mode'] = { kind: 'fresh' },
            ): Promise<string | undefined> => {
              const credential = parseCredential(`Bearer ${token}`);
              if (credential === undefined) throw new Error(`${token} is no token`);
              const context: ReadContext = {
                caller: { credential, requestId: 'fuzz', traceparent: undefined },
                mode,
                cost: new OperationCost(100),
              };
              const found = await (resource === 'backfill'
                ? backfills.backfill(context, team, key)
                : backfills.latestBackfill(context, team, key));
              expect(found?.teamId).toBe(team);
              return found?.record.status;
            };
            const expected = all.map(({ token, team, resource, id: key }) =>
              proofOf(token, team, resource, key),
            );
            // All at once, which shares loads, and one after another, which shares what is kept.
            expect(await Promise.all(all.map((read) => answer(read)))).toEqual(expected);
            for (const [n, read] of all.entries()) expect(await answer(read)).toBe(expected[n]);
            const one = all[refused % all.length];
            refusedToken = one?.token;
            // From then on `no-cache` reads past the cache again.
            clock.advance(1_000);
            if (one !== undefined) await expect(answer(one, { kind: 'noCache' })).rejects.toThrow();
            refusedToken = undefined;
            clock.advance(SETTINGS.ttlMs);
            for (const [n, read] of all.entries()) expect(await answer(read)).toBe(expected[n]);
          },
        ),
        { numRuns: 500 },
      );
    },
    PATIENCE,
  );
});
