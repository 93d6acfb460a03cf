import { Pool } from 'undici';

/** One request of an open loop. Times are epoch milliseconds. */
export interface Asked {
  readonly scheduledAt: number;
  readonly sentAt: number;
}

const TIMEOUT_MS = 10_000;

/** A client with connections of its own: a second one opens when the answer on the first is late. */
export class OpenLoopClient {
  readonly #pool: Pool;
  readonly #path: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #body: string;

  constructor(url: string, headers: Readonly<Record<string, string>>, body: string) {
    const { origin, pathname } = new URL(url);
    this.#pool = new Pool(origin, { pipelining: 1, headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS });
    this.#path = pathname;
    this.#headers = headers;
    this.#body = body;
  }

  /** @returns status 0 with the reason where there is no answer */
  async ask(): Promise<{ readonly status: number; readonly text: string }> {
    try {
      const { statusCode, body } = await this.#pool.request({
        method: 'POST',
        path: this.#path,
        headers: this.#headers,
        body: this.#body,
      });
      return { status: statusCode, text: await body.text() };
    } catch (error) {
      return { status: 0, text: error instanceof Error ? error.message : String(error) };
    }
  }

  /** Waits for no answer. */
  close(): void {
    this.#pool.destroy().catch(() => undefined);
  }
}

/**
 * Calls `ask` at its moments: at `firstAt` and every `everyMs` from then on, before `until`, whether the answer to the one
 * before is there or not. So a server that stalls is asked on as it would be, and each request that it delays counts.
 * @returns fulfilled after the last call
 */
export function atItsMoments(
  {
    firstAt,
    everyMs,
    until,
  }: { readonly firstAt: number; readonly everyMs: number; readonly until: () => number },
  ask: (asked: Asked) => void,
): Promise<void> {
  return new Promise((resolve) => {
    const next = (scheduledAt: number): void => {
      if (scheduledAt >= until()) {
        resolve();
        return;
      }
      setTimeout(
        () => {
          // It may have become earlier.
          if (scheduledAt >= until()) {
            resolve();
            return;
          }
          ask({ scheduledAt, sentAt: Date.now() });
          next(scheduledAt + everyMs);
        },
        Math.max(0, scheduledAt - Date.now()),
      );
    };
    next(firstAt);
  });
}
