import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { type Clock, systemClock } from './clock.ts';
import {
  CALL_CAUSES,
  type CallCause,
  type Limit,
  LIMITS,
  READ_RESULTS,
  type ReadResult,
  REFUSAL_SCOPES,
  type RefusalScope,
  STATUSES,
  STREAM_ENDS,
  type StreamEnd,
  type Transport,
  TRANSPORTS,
} from './metric-labels.ts';
import { PlainHistogram } from './plain-histogram.ts';
import { exposeProcess } from './process-metrics.ts';

/**
 * What the gateway counts. Labels are closed sets: never ids, URLs, names or anything else that a client can choose.
 * Durations are given in milliseconds and exposed in seconds.
 */
export interface Metrics {
  /** Has the series of such calls exist before the first of them. */
  expectUpstreamCall(operation: string, outcome: string): void;
  /**
   * @param operation operationId of the REST API
   * @param outcome `ok` or the kind of the error
   */
  recordUpstreamCall(operation: string, outcome: string, milliseconds: number): void;
  /** An HTTP exchange with the REST API begins. */
  recordExchange(cause: CallCause): void;
  /** @param ageMs how long ago the REST API gave what was read; undefined where nothing was */
  recordRead(result: ReadResult, ageMs: number | undefined): void;
  recordRequest(status: number, milliseconds: number): void;
  /** @param code `extensions.code` */
  recordError(code: string): void;
  recordRefusal(limit: Limit, scope: RefusalScope): void;
  recordPoll(outcome: 'ok' | 'failed'): void;
  recordStreamEnd(transport: Transport, reason: StreamEnd): void;
  recordCircuit(to: 'open' | 'closed'): void;
  recordGateClosed(): void;
  /** Adds a gauge that is read whenever the metrics are. Its name gets the prefix of all metrics. */
  gauge(name: string, help: string, read: () => number): void;
  /** The same for a counter: a number that only grows. */
  total(name: string, help: string, read: () => number): void;
  /** Like `total`, with one label: one number for each of its values. */
  totalBy(label: string, name: string, help: string, read: () => Readonly<Record<string, number>>): void;
  /** @returns observes so many milliseconds under values of the labels, all of which exist from now on */
  histogram<Label extends string>(
    name: string,
    help: string,
    values: Readonly<Record<Label, readonly string[]>>,
  ): (labels: Readonly<Record<Label, string>>, milliseconds: number) => void;
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
/** From the lifetimes at their shortest to the greatest age of a stale value, by default. */
const AGE_SECONDS = [0.1, 0.25, 0.5, 1, 2, 3, 5, 10, 30, 60, 120, 300];

/** @param codes every `extensions.code` */
export function createMetrics(clock: Clock = systemClock, codes: readonly string[] = []): Metrics {
  const registry = new Registry();
  const registers = [registry];
  exposeProcess(registry, PREFIX);

  const histogram = <Label extends string>(
    name: string,
    help: string,
    ...labelNames: Label[]
  ): Histogram<Label> =>
    new Histogram({ name: PREFIX + name, help, labelNames, buckets: SECONDS, registers });

  /** @param values all that its labels may have */
  function counter<Label extends string>(
    name: string,
    help: string,
    values: Readonly<Record<Label, readonly string[]>>,
  ): Counter<Label> {
    const labelNames = Object.keys(values) as Label[];
    const made = new Counter({ name: PREFIX + name, help, labelNames, registers });
    for (const labels of combinationsOf(values)) made.inc(labels, 0);
    return made;
  }

  const upstreamCalls = histogram(
    'upstream_call_duration_seconds',
    'Calls to the REST API by operation and outcome.',
    'operation',
    'outcome',
  );
  const exchanges = counter(
    'upstream_calls_total',
    'HTTP exchanges with the REST API, by what each was made for: a read of an operation, a list of a team, a refresh of something that is still fresh, a poll for streams, a retry of any kind, a write.',
    { cause: CALL_CAUSES },
  );
  // A page is a hundred of these, so they are counted here and told when they are asked for.
  const reads = { hit: 0, miss: 0, shared: 0, list: 0, stale: 0, refused: 0 } satisfies Record<
    ReadResult,
    number
  >;
  new Counter({
    name: `${PREFIX}cache_reads_total`,
    help: 'Reads of operations and polls, by how they were answered: hit without a call, miss by a call of its own, shared by the call of a read under way, list by the call for a list that another read made, stale by a value older than it should be, refused not at all and without a call.',
    labelNames: ['result'],
    registers,
    collect() {
      this.reset();
      for (const result of READ_RESULTS) this.inc({ result }, reads[result]);
    },
  });
  const ages = new PlainHistogram(
    `${PREFIX}answer_age_seconds`,
    'Age of what reads were answered: the time since the REST API said so. Stale values are among them.',
    AGE_SECONDS,
  );
  const requests = histogram(
    'request_duration_seconds',
    'HTTP requests to the GraphQL endpoint by status.',
    'status',
  );
  for (const status of STATUSES) requests.zero({ status });
  const errors = counter('errors_total', 'GraphQL errors answered, by extensions.code.', { code: codes });
  const refusals = counter(
    'refusals_total',
    'What was turned away by a limit of the gateway, by the limit and by its scope: share where another caller would have been let in, global where nobody would.',
    { limit: LIMITS, scope: REFUSAL_SCOPES },
  );
  const polls = counter(
    'polls_total',
    'Polls of the watched backfills of one credential and team: failed when one of them could not be had.',
    { outcome: ['ok', 'failed'] },
  );
  const streamEnds = counter(
    'subscriptions_ended_total',
    'Streams of subscriptions that ended, by transport and reason.',
    { transport: TRANSPORTS, reason: STREAM_ENDS },
  );
  const circuits = counter(
    'circuit_changes_total',
    'Circuits that opened or closed, the common one and those of a credential and team.',
    { to: ['open', 'closed'] },
  );
  const gates = counter('gates_closed_total', 'Retry-after gates that closed, one for each credential.', {});

  let expositions = 0;
  async function makeExposition(): Promise<Exposition> {
    expositions++;
    const text = await registry.metrics();
    return { contentType: registry.contentType, body: Buffer.from(text + ages.text()) };
  }

  return {
    expectUpstreamCall(operation, outcome) {
      upstreamCalls.zero({ operation, outcome });
    },
    recordUpstreamCall(operation, outcome, milliseconds) {
      upstreamCalls.observe({ operation, outcome }, milliseconds / 1000);
    },
    recordExchange(cause) {
      exchanges.inc({ cause });
    },
    recordRead(result, ageMs) {
      reads[result]++;
      if (ageMs !== undefined) ages.observe(ageMs / 1000);
    },
    recordRequest(status, milliseconds) {
      requests.observe({ status }, milliseconds / 1000);
    },
    recordError(code) {
      errors.inc({ code });
    },
    recordRefusal(limit, scope) {
      refusals.inc({ limit, scope });
    },
    recordPoll(outcome) {
      polls.inc({ outcome });
    },
    recordStreamEnd(transport, reason) {
      streamEnds.inc({ transport, reason });
    },
    recordCircuit(to) {
      circuits.inc({ to });
    },
    recordGateClosed() {
      gates.inc();
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
    totalBy(label, name, help, read) {
      new Counter({
        name: PREFIX + name,
        help,
        labelNames: [label],
        registers,
        collect() {
          this.reset();
          for (const [value, count] of Object.entries(read())) this.inc({ [label]: value }, count);
        },
      });
    },
    histogram<Label extends string>(
      name: string,
      help: string,
      values: Readonly<Record<Label, readonly string[]>>,
    ) {
      const made = histogram<string>(name, help, ...Object.keys(values));
      for (const labels of combinationsOf(values)) made.zero(labels);
      return (labels, milliseconds) => made.observe(labels, milliseconds / 1000);
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

/** Each combination of the values of labels. */
function combinationsOf<Label extends string>(
  values: Readonly<Record<Label, readonly string[]>>,
): readonly Partial<Record<Label, string>>[] {
  let combinations: Partial<Record<Label, string>>[] = [{}];
  for (const [label, known] of Object.entries<readonly string[]>(values)) {
    combinations = combinations.flatMap((labels) => known.map((value) => ({ ...labels, [label]: value })));
  }
  return combinations;
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
