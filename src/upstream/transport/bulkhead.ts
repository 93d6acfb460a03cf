import { UpstreamError } from '../errors.ts';

export interface BulkheadOptions {
  /** Most runs under way at once. */
  readonly maxRunning: number;
  /** Most runs waiting for their turn. */
  readonly maxWaiting: number;
}

export interface Bulkhead {
  readonly running: number;
  readonly waiting: number;
  /**
   * Runs it at once, or when its owner's turn comes: owners take turns, whatever the number of runs of each, so that
   * one who asks for much waits for himself. Where nobody more may wait, the owner with most waiting makes room.
   * @throws {UpstreamError} `unavailable` when it has to make room, `timeout` when its turn does not come in time
   */
  run<Result>(owner: string, timeoutMs: number, run: () => Promise<Result>): Promise<Result>;
}

interface Waiting {
  start(): void;
  refuse(error: UpstreamError): void;
}

export function createBulkhead({ maxRunning, maxWaiting }: BulkheadOptions): Bulkhead {
  // In the order of their turns: an owner who had his goes to the end.
  const queues = new Map<string, Set<Waiting>>();
  let running = 0;
  let waiting = 0;

  function waitForTurn(owner: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const queue = queues.get(owner) ?? new Set<Waiting>();
      if (waiting >= maxWaiting && !makeRoomFor(queue)) {
        reject(tooManyWaiting());
        return;
      }
      const leave = (): void => {
        clearTimeout(deadline);
        waiting--;
        queue.delete(entry);
        if (queue.size === 0) queues.delete(owner);
      };
      const deadline = setTimeout(() => {
        leave();
        reject(new UpstreamError('timeout', `no turn within ${timeoutMs} ms`));
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
      queues.set(owner, queue);
    });
  }

  /** The latest of the longest queue gives way, unless it is as short as the one that asks. */
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
    const [owner, queue] = first;
    const [entry] = queue;
    if (queue.size > 1) {
      queues.delete(owner);
      queues.set(owner, queue);
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
    async run(owner, timeoutMs, run) {
      if (running < maxRunning) running++;
      else await waitForTurn(owner, timeoutMs);
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
  return new UpstreamError('unavailable', 'too many calls wait for their turn');
}
