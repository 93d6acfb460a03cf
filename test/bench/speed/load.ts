import { Client, type Dispatcher } from 'undici';
import { bodyFor, HEADERS, nextIds, type Workload } from './workloads.ts';

/**
 * The load generator, a process of its own: a closed loop of connections, each of which sends its next request when
 * the answer to the last one is there and found right. The parent sends an order and gets back one result.
 */
export interface LoadOrder {
  readonly url: string;
  readonly workload: Workload;
  readonly connections: number;
  readonly seconds: number;
  /** Whether answers hold the ids that were asked for; the bare server's do not. */
  readonly echoesIds: boolean;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of a core that the generator itself used. Near 1 it would be what limits the server. */
  readonly generatorBusy: number;
}

export type LoadReply = LoadResult | { readonly fault: string };

const TIMEOUT_MS = 15_000;

class Slice {
  readonly latencies: number[] = [];
  readonly endsAt: number;
  fault: string | undefined;
  readonly #hotRequest: Request | undefined;
  #rightAnswer: Buffer | undefined;

  constructor(readonly order: LoadOrder) {
    this.endsAt = performance.now() + order.seconds * 1000;
    if (!order.workload.cold) this.#hotRequest = newRequest(order.workload);
  }

  nextRequest(): Request | undefined {
    if (this.fault !== undefined || performance.now() >= this.endsAt) return undefined;
    return this.#hotRequest ?? newRequest(this.order.workload);
  }

  /**
   * Every answer is checked, as cheaply as it can be: searching 15 kB costs more than all the rest of a request, so
   * one that equals the right answer before it is taken for right. All values are compared outside of the timing.
   */
  record(request: Request, milliseconds: number, status: number, body: Buffer): void {
    this.latencies.push(milliseconds);
    const { workload, echoesIds } = this.order;
    const repeats = !(workload.cold && echoesIds) && this.#rightAnswer?.equals(body) === true;
    const right =
      status === 200 &&
      (repeats || (!body.includes('"errors"') && (!echoesIds || body.includes(request.proof))));
    if (right) this.#rightAnswer ??= body;
    else this.fault ??= `wrong answer, status ${status}: ${body.toString('utf8', 0, 400)}`;
  }
}

interface Request {
  readonly body: string;
  /** Occurs in an answer to this request, and in a cold workload in no other. */
  readonly proof: string;
}

function newRequest(workload: Workload): Request {
  const ids = nextIds(workload);
  return { body: bodyFor(workload, ids), proof: `"${ids.at(-1) ?? ''}"` };
}

class Connection implements Dispatcher.DispatchHandler {
  readonly #client: Client;
  readonly #path: string;
  readonly #slice: Slice;
  readonly #done: () => void;
  #request: Request = { body: '', proof: '' };
  #sentAt = 0;
  #status = 0;
  #chunks: Buffer[] = [];

  constructor(slice: Slice, done: () => void) {
    const { origin, pathname } = new URL(slice.order.url);
    this.#client = new Client(origin, {
      pipelining: 1,
      headersTimeout: TIMEOUT_MS,
      bodyTimeout: TIMEOUT_MS,
    });
    this.#path = pathname;
    this.#slice = slice;
    this.#done = done;
  }

  next(): void {
    const request = this.#slice.nextRequest();
    if (request === undefined) {
      void this.#client.close().then(this.#done);
      return;
    }
    this.#request = request;
    this.#chunks = [];
    this.#sentAt = performance.now();
    this.#client.dispatch({ method: 'POST', path: this.#path, headers: HEADERS, body: request.body }, this);
  }

  onRequestStart(): void {
    // By this method undici tells handlers of its present interface from older ones.
  }

  onResponseStart(_controller: Dispatcher.DispatchController, status: number): void {
    this.#status = status;
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#chunks.push(chunk);
  }

  onResponseEnd(): void {
    const milliseconds = performance.now() - this.#sentAt;
    const [first] = this.#chunks;
    const body = first !== undefined && this.#chunks.length === 1 ? first : Buffer.concat(this.#chunks);
    this.#slice.record(this.#request, milliseconds, this.#status, body);
    this.next();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#slice.fault ??= `no answer: ${error.message}`;
    this.next();
  }
}

/**
 * No request is abandoned: at the end each connection waits for its answer, and the time until the last of them
 * counts. So requests, upstream calls and CPU time of a slice belong to each other, and none leaks into the next.
 */
async function run(order: LoadOrder): Promise<LoadReply> {
  const slice = new Slice(order);
  const startedAt = performance.now();
  const cpuBefore = process.cpuUsage();
  await Promise.all(
    Array.from(
      { length: order.connections },
      () => new Promise<void>((resolve) => new Connection(slice, resolve).next()),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  if (slice.fault !== undefined) return { fault: slice.fault };
  const sorted = Float64Array.from(slice.latencies).sort();
  const percentile = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
  return {
    requests: sorted.length,
    seconds,
    p50Ms: percentile(0.5),
    p99Ms: percentile(0.99),
    generatorBusy: (cpu.user + cpu.system) / 1e6 / seconds,
  };
}

process.on('message', (order: LoadOrder) => {
  void run(order).then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
