import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type Clock, systemClock } from './clock.ts';

/**
 * What the gateway counts. Labels are closed sets: never ids, URLs, names or anything else that a client can choose.
 * Durations are given in milliseconds and exposed in seconds.
 */
export interface Metrics {
  /**
   * @param operation operationId of the REST API
   * @param outcome `ok` or the kind of the error
   */
  recordUpstreamCall(operation: string, outcome: string, milliseconds: number): void;
  recordCacheRead(result: 'hit' | 'miss' | 'stale'): void;
  recordRequest(status: number, milliseconds: number): void;
  /** @param code `extensions.code` */
  recordError(code: string): void;
  recordPoll(outcome: 'ok' | 'failed'): void;
  /** Adds a gauge that is read whenever the metrics are. Its name gets the prefix of all metrics. */
  gauge(name: string, help: string, read: () => number): void;
  /** The same for a counter: a number that only grows. */
  total(name: string, help: string, read: () => number): void;
  /** Like `gauge`, with one label: one value for each of its values. */
  gaugeBy(label: string, name: string, help: string, read: () => Readonly<Record<string, number>>): void;
  /**
   * Makes a reading that several gauges share: it is taken once for each exposition.
   * @returns the reading of the exposition under way
   */
  reading<Value>(take: () => Value): () => Value;
  /** All metrics. Whoever asks within a second gets the same exposition. */
  expose(): Promise<Exposition>;
}

export interface Exposition {
  readonly contentType: string;
  /** In the Prometheus text format, as UTF-8. */
  readonly body: Buffer;
}

const PREFIX = 'backfill_gateway_';
/** The gauges walk through all that is known, so no more than one exposition is made in so many milliseconds. */
const EXPOSITION_MS = 1_000;
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

export function createMetrics(clock: Clock = systemClock): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const histogram = <Label extends string>(
    name: string,
    help: string,
    ...labelNames: Label[]
  ): Histogram<Label> =>
    new Histogram({ name: PREFIX + name, help, labelNames, buckets: SECONDS, registers });
  const counter = <Label extends string>(name: string, help: string, label: Label): Counter<Label> =>
    new Counter({ name: PREFIX + name, help, labelNames: [label], registers });

  const upstreamCalls = histogram(
    'upstream_call_duration_seconds',
    'Calls to the REST API by operation and outcome.',
    'operation',
    'outcome',
  );
  // A page is a hundred of these, so they are counted here and told when they are asked for.
  const cacheReads = { hit: 0, miss: 0, stale: 0 };
  new Counter({
    name: `${PREFIX}cache_reads_total`,
    help: 'Reads of backfills: a miss made an upstream call, a hit used a fresh value or shared a call in flight, stale used an old value in place of one that could not be had.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const [result, count] of Object.entries(cacheReads)) this.inc({ result }, count);
    },
  });
  const requests = histogram(
    'request_duration_seconds',
    'HTTP requests to the GraphQL endpoint by status.',
    'status',
  );
  const errors = counter('errors_total', 'GraphQL errors answered, by extensions.code.', 'code');
  const polls = counter(
    'polls_total',
    'Polls of the watched backfills of one credential and team: failed when one of them could not be had.',
    'outcome',
  );

  let expositions = 0;
  async function makeExposition(): Promise<Exposition> {
    expositions++;
    const text = await registry.metrics();
    return { contentType: registry.contentType, body: Buffer.from(text) };
  }

  return {
    recordUpstreamCall(operation, outcome, milliseconds) {
      upstreamCalls.observe({ operation, outcome }, milliseconds / 1000);
    },
    recordCacheRead(result) {
      cacheReads[result]++;
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
    gauge(name, help, read) {
      new Gauge({
        name: PREFIX + name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    },
    total(name, help, read) {
      new Counter({
        name: PREFIX + name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    },
    gaugeBy(label, name, help, read) {
      new Gauge({
        name: PREFIX + name,
        help,
        labelNames: [label],
        registers,
        collect() {
          for (const [value, count] of Object.entries(read())) this.set({ [label]: value }, count);
        },
      });
    },
    reading(take) {
      let taken: { readonly during: number; readonly value: ReturnType<typeof take> } | undefined;
      return () => {
        if (taken?.during !== expositions) taken = { during: expositions, value: take() };
        return taken.value;
      };
    },
    expose: atMostEvery(EXPOSITION_MS, makeExposition, clock),
  };
}

/** Whoever asks while the value is made, or within so many milliseconds of its making, gets that value. */
function atMostEvery<Value>(
  milliseconds: number,
  make: () => Promise<Value>,
  clock: Clock,
): () => Promise<Value> {
  let latest: Promise<Value> | undefined;
  let isFreshUntil = Infinity;
  return () => {
    if (latest !== undefined && clock.monotonic() < isFreshUntil) return latest;
    isFreshUntil = Infinity;
    latest = make().finally(() => {
      isFreshUntil = clock.monotonic() + milliseconds;
    });
    return latest;
  };
}
