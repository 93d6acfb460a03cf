import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** operationIds of the REST API's OpenAPI document. */
export type UpstreamOperation = 'getBackfillById' | 'getLatestBackfill' | 'listIncompleteBackfills';
export type CacheRead = 'hit' | 'miss' | 'stale';
export type PollOutcome = 'ok' | 'failed';

/** How busy the way to the upstream is at a moment. */
export interface UpstreamLoad {
  /** Calls under way. */
  readonly running: number;
  /** Calls that wait for their turn. */
  readonly waiting: number;
  readonly circuitClosed: boolean;
}

/** How much of its hour's calls a credential has left. */
export type QuotaLevel = 'plenty' | 'stretched' | 'nearly_out' | 'out';

/** The hourly quotas at a moment, over the credentials seen lately. */
export interface QuotaSurvey {
  readonly credentials: Readonly<Record<QuotaLevel, number>>;
  readonly leastRemaining: number;
  readonly greatestStretch: number;
}

/** What the gateway counts. Labels are closed sets: never ids, URLs, names or anything else a client can choose. */
export interface Metrics {
  /** @param outcome `ok` or the kind of the error */
  recordUpstreamCall(operation: UpstreamOperation, outcome: string, milliseconds: number): void;
  recordCacheRead(read: CacheRead): void;
  recordRequest(status: number, milliseconds: number): void;
  recordError(code: string): void;
  recordPoll(outcome: PollOutcome): void;
  /** Has the number of open subscriptions looked at whenever the metrics are. */
  watchSubscriptions(count: () => number): void;
  /** Has the load on the upstream looked at whenever the metrics are. */
  watchUpstream(look: () => UpstreamLoad): void;
  /** The same for the hourly quotas. */
  watchQuotas(look: () => QuotaSurvey): void;
  /** In the Prometheus text format. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>;
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });
  const upstreamCalls = new Histogram({
    name: 'backfill_gateway_upstream_call_duration_seconds',
    help: 'Calls to the REST API by operation and outcome.',
    labelNames: ['operation', 'outcome'],
    buckets: SECONDS,
    registers,
  });
  const cacheReads = new Counter({
    name: 'backfill_gateway_cache_reads_total',
    help: 'Reads of backfills: a miss made an upstream call, a hit used a fresh value or shared a call under way, stale an old value in place of an answer that could not be had.',
    labelNames: ['result'],
    registers,
  });
  const requests = new Histogram({
    name: 'backfill_gateway_request_duration_seconds',
    help: 'HTTP requests to the GraphQL endpoint by status.',
    labelNames: ['status'],
    buckets: SECONDS,
    registers,
  });
  const errors = new Counter({
    name: 'backfill_gateway_errors_total',
    help: 'GraphQL errors answered, by extensions.code.',
    labelNames: ['code'],
    registers,
  });
  const polls = new Counter({
    name: 'backfill_gateway_polls_total',
    help: 'Looks at the watched backfills of one credential and team: failed when one of them could not be had.',
    labelNames: ['outcome'],
    registers,
  });

  function gaugeOf(name: string, help: string, read: () => number): void {
    new Gauge({
      name: `backfill_gateway_${name}`,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  return {
    recordUpstreamCall(operation, outcome, milliseconds) {
      upstreamCalls.observe({ operation, outcome }, milliseconds / 1000);
    },
    recordCacheRead(result) {
      cacheReads.inc({ result });
    },
    recordRequest(status, milliseconds) {
      requests.observe({ status }, milliseconds / 1000);
    },
    recordError(code) {
      errors.inc({ code });
    },
    recordPoll(outcome) {
      polls.inc({ outcome });
    },
    watchSubscriptions(count) {
      new Gauge({
        name: 'backfill_gateway_subscriptions_open',
        help: 'Streams of subscriptions under way, over SSE and WebSocket.',
        registers,
        collect() {
          this.set(count());
        },
      });
    },
    watchUpstream(look) {
      const gauge = (name: string, help: string, read: (load: UpstreamLoad) => number): void => {
        gaugeOf(`upstream_${name}`, help, () => read(look()));
      };
      gauge('calls_running', 'Calls to the REST API under way.', ({ running }) => running);
      gauge('calls_waiting', 'Calls to the REST API that wait for their turn.', ({ waiting }) => waiting);
      gauge(
        'circuit_open',
        '1 while the REST API is not asked because it was in trouble.',
        ({ circuitClosed }) => (circuitClosed ? 0 : 1),
      );
    },
    watchQuotas(look) {
      new Gauge({
        name: 'backfill_gateway_quota_credentials',
        help: 'Credentials seen lately, by how much of their hourly quota is left.',
        labelNames: ['level'],
        registers,
        collect() {
          for (const [level, count] of Object.entries(look().credentials)) this.set({ level }, count);
        },
      });
      gaugeOf(
        'quota_remaining_least',
        'Calls left in the hour of the credential that has least, as far as is known here.',
        () => look().leastRemaining,
      );
      gaugeOf(
        'quota_stretch_greatest',
        'By how much lifetimes and polls are stretched where they are stretched most.',
        () => look().greatestStretch,
      );
    },
    async expose() {
      return { contentType: registry.contentType, text: await registry.metrics() };
    },
  };
}
