import type { ExecutionResult } from 'graphql';
import { isAsyncIterable } from 'graphql-yoga';
import type { Clock } from '../../clock.ts';
import type { Log } from '../../log.ts';
import { type GatewayPlugin, logFields, type RequestState } from './request-state.ts';

/** The end of a stream: by itself, with an error, because its client left, or because the gateway stops. */
type Reason = 'completed' | 'failed' | 'left' | 'shutdown';

export interface SubscriptionLogDeps {
  readonly clock: Clock;
  readonly log: Log;
  /** Whether the gateway breaks its streams off. */
  readonly isEnding: () => boolean;
}

/** Writes a second log line for each subscription when its stream ends: how long, how many events, and why. */
export function useSubscriptionLog({ clock, log, isEnding }: SubscriptionLogDeps): GatewayPlugin {
  function logEnd(state: RequestState, events: number, by: Reason): void {
    const reason = by === 'left' && isEnding() ? 'shutdown' : by;
    log.record('subscription ended', { ...logFields(state, clock.monotonic()), events, reason });
  }

  return {
    onExecutionResult({ context: { state }, result, setResult }) {
      if (!isAsyncIterable(result)) return;
      setResult(withEnd(result, (events, reason) => logEnd(state, events, reason)));
    },
  };
}

/** The same stream, which calls `onEnd` once. A last event without data is the error that ended it. */
function withEnd(
  stream: AsyncIterable<ExecutionResult>,
  onEnd: (events: number, reason: Reason) => void,
): AsyncIterableIterator<ExecutionResult> {
  const iterator = stream[Symbol.asyncIterator]();
  let events = 0;
  let failed = false;
  let hasEnded = false;

  function end(reason: Reason): void {
    if (!hasEnded) onEnd(events, reason);
    hasEnded = true;
  }

  return {
    async next() {
      const step = await iterator.next();
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
