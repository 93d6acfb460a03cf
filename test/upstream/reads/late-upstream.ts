import { vi } from 'vitest';
import type { Clock } from '../../../src/clock.ts';
import { UpstreamError } from '../../../src/upstream/errors.ts';
import type { HttpClient, HttpResponse, WriteOptions } from '../../../src/upstream/transport/http.ts';

/** How one exchange goes. */
export interface Exchange {
  /** From the request to its end. */
  readonly delayMs: number;
  /** When the answer is made: at the request (0), when it is sent (1), or between. */
  readonly madeAt: number;
  readonly end: 'answer' | 'reset' | 'hang' | 'nonsense' | 500 | 503;
}

/**
 * An upstream whose answers come late and overtake each other, on a clock of the test's.
 * @param next how the next exchange goes
 * @param answer the response to a path, made when it is called; what a write does is done then, whatever comes of it
 */
export function lateUpstream(
  clock: Clock,
  next: () => Exchange,
  answer: (path: string, token: string, write?: Pick<WriteOptions, 'method' | 'body'>) => HttpResponse,
): HttpClient {
  return {
    begin(path, { authorization = '' }, timeoutMs, { write }) {
      write?.onSent();
      const { delayMs, madeAt, end } = next();
      const cancels: (() => void)[] = [];
      let settle = (_error: UpstreamError): void => undefined;
      const response = new Promise<HttpResponse>((resolve, reject) => {
        settle = (error) => {
          for (const cancel of cancels) cancel();
          reject(error);
        };
        if (end === 'hang') return;
        let made: HttpResponse | undefined;
        const make = (): void => {
          made = answer(path, authorization.slice('Bearer '.length), write);
        };
        if (madeAt === 0) make();
        else cancels.push(clock.after(delayMs * madeAt, make));
        const arrive = (): void => {
          if (end === 'reset') settle(new UpstreamError('unavailable', 'the connection was lost'));
          else if (end === 'nonsense') resolve({ status: 200, headers: {}, text: 'nonsense' });
          else if (end === 'answer' && made !== undefined) resolve(made);
          else resolve({ status: Number(end), headers: {}, text: '{}' });
          for (const cancel of cancels) cancel();
        };
        cancels.push(clock.after(delayMs, arrive));
      });
      const shortenDeadline = (ms: number): void =>
        void cancels.push(clock.after(ms, () => settle(new UpstreamError('timeout', 'no answer in time'))));
      shortenDeadline(timeoutMs);
      return { response, shortenDeadline, abort: (reason) => settle(reason) };
    },
    close: () => Promise.resolve(),
  };
}

export interface Timeline {
  readonly clock: Clock;
  /** Lets so much time pass, with everything that falls due. */
  wait(ms: number): Promise<void>;
}

/** One timeline for everything, the timers of the transport included, until `vi.useRealTimers`. */
export function startTimeline(): Timeline {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'], now: 1_772_445_600_000 });
  const startedAt = Date.now();
  let moments = 0;
  const settled = async (): Promise<void> => {
    for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve));
  };
  return {
    clock: {
      now: () => Date.now(),
      // No two moments are the same, as on a real clock.
      monotonic: () => 1_000 + Date.now() - startedAt + moments++ * 1e-7,
      after(ms, callback) {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    },
    async wait(ms) {
      const marker = { isReached: false };
      setTimeout(() => (marker.isReached = true), ms);
      await settled();
      while (!marker.isReached) {
        vi.advanceTimersToNextTimer();
        await settled();
      }
    },
  };
}
