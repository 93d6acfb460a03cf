import { UpstreamError } from '../errors.ts';

export interface BulkheadOptions {
  /** The most runs in flight at once. */
  readonly maxRunning: number;
  /** The most runs that may wait for a slot. */
  readonly maxWaiting: number;
}

/**
 * Bounds how many runs are in flight. Partitions that wait for a slot get one by round robin, however many runs each of
 * them has waiting, so that a partition with many runs waits for its own. Where no more may wait, the partition with
 * the most waiting runs makes room.
 */
export interface Bulkhead {
  readonly running: number;
  readonly waiting: number;
  /**
   * Runs it at once, or when the partition gets a slot.
   * @throws {UpstreamError} `unavailable` when it has to make room, `timeout` when it gets no slot in time
   */
  run<Result>(partition: string, timeoutMs: number, run: () => Promise<Result>): Promise<Result>;
}

interface Waiting {
  start(): void;
  refuse(error: UpstreamError): void;
}

export function createBulkhead({ maxRunning, maxWaiting }: BulkheadOptions): Bulkhead {
  // In round-robin order: a partition that got a slot goes to the end.
  const queues = new Map<string, Set<Waiting>>();
  let running = 0;
  let waiting = 0;

  function waitForSlot(partition: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = queues.get(partition) ?? new Set<Waiting>();
      if (waiting >= maxWaiting && !makeRoomFor(queue)) {
        reject(tooManyWaiting());
        return;
      }
      const leave = (): void => {
        clearTimeout(deadline);
        waiting--;
        queue.delete(entry);
        if (queue.size === 0) queues.delete(partition);
      };
      const deadline = setTimeout(() => {
        leave();
        reject(new UpstreamError('timeout', `no slot within ${timeoutMs} ms`));
      }, timeoutMs);
      const entry: Waiting = {
        start: () => {
          leave();
          resolve();
        },
        refuse: (error) => {
          leave();
          reject(error);
        },
      };
      waiting++;
      queue.add(entry);
      queues.set(partition, queue);
    });
  }

  /** The latest of the longest queue gives way, unless that queue is as short as the one that asks. */
  function makeRoomFor(queue: ReadonlySet<Waiting>): boolean {
    const longest = [...queues.values()].reduce((a, b) => (b.size > a.size ? b : a));
    if (longest.size <= queue.size + 1) return false;
    const latest = [...longest].at(-1);
    latest?.refuse(tooManyWaiting());
    return latest !== undefined;
  }

  function startNext(): void {
    const [first] = queues;
    if (first === undefined) return;
    const [partition, queue] = first;
    const [entry] = queue;
    if (queue.size > 1) {
      queues.delete(partition);
      queues.set(partition, queue);
    }
    running++;
    entry?.start();
  }

  return {
    get running() {
      return running;
    },
    get waiting() {
      return waiting;
    },
    async run(partition, timeoutMs, run) {
      if (running < maxRunning) running++;
      else await waitForSlot(partition, timeoutMs);
      try {
        return await run();
      } finally {
        running--;
        startNext();
      }
    },
  };
}

function tooManyWaiting(): UpstreamError {
  return new UpstreamError('unavailable', 'too many calls wait for a slot');
}
