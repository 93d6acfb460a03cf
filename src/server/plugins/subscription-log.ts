import type { ExecutionResult } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../log.ts';
import type { StreamEnd, Transport } from '../../metric-labels.ts';
import type { Metrics } from '../../metrics.ts';
import { type GatewayPlugin, logFields, type RequestState } from './request-state.ts';

export interface SubscriptionLogDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** Whether the gateway breaks its streams off. */
  readonly isEnding: () => boolean;
}

/**
 * Counts the streams of subscriptions, and writes a second log line for each when it ends: how long, how many events, and
 * why.
 */
export function useSubscriptionLog({ clock, log, metrics, isEnding }: SubscriptionLogDeps): GatewayPlugin {
  const open: Record<Transport, number> = { sse: 0, websocket: 0 };
  metrics.gaugeBy(
    'transport',
    'subscriptions_open',
    'Streams of subscriptions in progress, by transport.',
    () => open,
  );

  function record(state: RequestState, transport: Transport, events: number, by: StreamEnd): void {
    const reason = by === 'left' && isEnding() ? 'shutdown' : by;
    metrics.recordStreamEnd(transport, reason);
    log.record('subscription ended', { ...logFields(state, clock.monotonic()), events, reason });
  }

  return {
    onExecutionResult({ context: { state, transport }, result, setResult }) {
      if (!isAsyncIterable(result)) return;
      setResult(
        watched(result, {
          began() {
            open[transport]++;
          },
          ended(events, reason, hasBegun) {
            if (hasBegun) open[transport]--;
            record(state, transport, events, reason);
          },
        }),
      );
    },
  };
}

interface StreamWatch {
  /** Its first event was asked for. */
  began(): void;
  /** Called once. */
  ended(events: number, reason: StreamEnd, hasBegun: boolean): void;
}

/** The same stream. A last event without data is the error that ended it. */
function watched(
  stream: AsyncIterable<ExecutionResult>,
  watch: StreamWatch,
): AsyncIterableIterator<ExecutionResult> {
  const iterator = stream[Symbol.asyncIterator]();
  let events = 0;
  let failed = false;
  let hasBegun = false;
  let hasEnded = false;

  function end(reason: StreamEnd): void {
    if (!hasEnded) watch.ended(events, reason, hasBegun);
    hasEnded = true;
  }

  return {
    async next() {
      if (!hasBegun && !hasEnded) watch.began();
      hasBegun = true;
      const step = await iterator.next().catch((error: unknown) => {
        end('failed');
        throw error;
      });
      if (step.done === true) {
        end(failed ? 'failed' : 'completed');
      } else {
        events++;
        failed = !('data' in step.value);
      }
      return step;
    },
    async return() {
      end('left');
      return (await iterator.return?.()) ?? { done: true, value: undefined };
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
