import { spreadOf } from '../statistics.ts';
import { type Answer, Connection, requestBytes } from './connection.ts';
import { bodyFor, expectedText, headersOf, isRight, nextIds, type Workload } from './workloads.ts';

/**
 * The load generator, a process of its own: a closed loop of connections, each of which sends its next request when
 * the answer to the last one is there and found right. The parent sends an order and gets back one result.
 */
export interface LoadOrder {
  /** `fill` sends each request of a hot workload once, so that the slice after it begins with a full cache. */
  readonly what: 'fill' | 'slice';
  readonly url: string;
  readonly workload: Workload;
  readonly connections: number;
  readonly seconds: number;
  /** Whose credentials; see `headersOf`. */
  readonly era: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Share of a core that the generator itself used. Near 1 it would be what limits the server. */
  readonly generatorBusy: number;
}

/** With a fault nothing was timed. */
export type LoadReply = LoadResult | { readonly fault: string };

const TIMEOUT_MS = 15_000;
/** So few that the requests that fill a cache do not crowd each other. */
const FILLING_CONNECTIONS = 8;

interface Request {
  readonly bytes: Buffer;
  readonly expected: Buffer;
}

/** Gives out requests, and takes their answers. */
class Loop {
  readonly latencies: number[] = [];
  fault: string | undefined;
  readonly #next: () => Request | undefined;

  constructor(next: () => Request | undefined) {
    this.#next = next;
  }

  next(): Request | undefined {
    return this.fault === undefined ? this.#next() : undefined;
  }

  /** Every value of every answer is compared. */
  record({ expected }: Request, milliseconds: number, { status, body }: Answer): void {
    this.latencies.push(milliseconds);
    if (status !== 200 || !isRight(body, expected))
      this.fault ??= `wrong answer, status ${status}: ${body.toString('utf8', 0, 400)}`;
  }

  /**
   * No request is abandoned: at the end each connection waits for its answer. So requests, upstream calls and CPU time
   * of a slice belong to each other, and none leaks into the next.
   */
  async run(url: URL, connections: number): Promise<void> {
    await Promise.all(Array.from({ length: connections }, () => this.#connect(url)));
  }

  #connect(url: URL): Promise<void> {
    return new Promise((resolve) => {
      let request: Request | undefined;
      let sentAt = 0;
      const fail = (error: Error): void => {
        this.fault ??= `no answer: ${error.message}`;
        end();
      };
      const connection = new Connection(
        url,
        (answer) => {
          if (request !== undefined) this.record(request, performance.now() - sentAt, answer);
          send();
        },
        fail,
      );
      const watch = setInterval(() => {
        if (performance.now() - sentAt > TIMEOUT_MS) fail(new Error(`none in ${TIMEOUT_MS / 1000} seconds`));
      }, 1_000);
      const end = (): void => {
        clearInterval(watch);
        connection.close();
        resolve();
      };
      const send = (): void => {
        request = this.next();
        if (request === undefined) {
          end();
          return;
        }
        sentAt = performance.now();
        connection.send(request.bytes);
      };
      send();
    });
  }
}

function newRequest(url: URL, workload: Workload, credential: number, era: number): Request {
  const ids = nextIds(workload);
  return {
    bytes: requestBytes(url, headersOf(credential, era), bodyFor(workload, ids)),
    expected: Buffer.from(expectedText(workload, ids)),
  };
}

async function run(order: LoadOrder): Promise<LoadReply> {
  const { what, workload, era } = order;
  const url = new URL(order.url);
  const hot = workload.cold
    ? []
    : Array.from({ length: workload.credentials }, (_, n) => newRequest(url, workload, n, era));
  let sent = 0;
  const startedAt = performance.now();
  const endsAt = startedAt + order.seconds * 1000;
  const cpuBefore = process.cpuUsage();
  const loop =
    what === 'fill'
      ? new Loop(() => hot[sent++])
      : new Loop(() => {
          if (performance.now() >= endsAt) return undefined;
          return hot[sent++ % hot.length] ?? newRequest(url, workload, 0, era);
        });
  await loop.run(url, what === 'fill' ? FILLING_CONNECTIONS : order.connections);
  const seconds = (performance.now() - startedAt) / 1000;
  const cpu = process.cpuUsage(cpuBefore);
  if (loop.fault !== undefined) return { fault: loop.fault };
  const { count, p50, p99 } = spreadOf(loop.latencies);
  return {
    requests: count,
    seconds,
    p50Ms: p50,
    p99Ms: p99,
    generatorBusy: (cpu.user + cpu.system) / 1e6 / seconds,
  };
}

process.on('message', (order: LoadOrder) => {
  void run(order).then((reply) => process.send?.(reply));
});
process.on('disconnect', () => process.exit());
