import type { Operation } from './routes.ts';

export { envelope } from './answers.ts';

/** A fault: an answer in place of the ordinary one, or a change to it. */
export type FaultAnswer =
  | {
      /** Answers this status and body. An object is sent as JSON; `envelope` makes the documented error body. */
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | object;
      readonly contentType?: string;
    }
  | {
      /** Answers these bytes, with the given headers and a length only. */
      readonly kind: 'raw';
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly bytes: Buffer | string;
    }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  /** Answers after `ms` milliseconds of real time. */
  | { readonly kind: 'delay'; readonly ms: number; readonly answerFrom?: AnswerMoment }
  /** Answers when the promise is fulfilled. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown>; readonly answerFrom?: AnswerMoment }
  /** Destroys the connection. */
  | { readonly kind: 'reset'; readonly at: 'before-headers' | 'after-headers' | 'in-body' }
  /** Answers 200 with a body that never ends: `bytes` bytes every `everyMs` milliseconds. */
  | { readonly kind: 'drip'; readonly everyMs: number; readonly bytes: number }
  /** Answers 200 with `bytes` bytes of valid JSON in the documented envelope. */
  | { readonly kind: 'flood'; readonly bytes: number }
  /** Announces a longer body than the ordinary one, sends the ordinary one, and closes the connection. */
  | { readonly kind: 'truncate' }
  /** Sends the ordinary answer with its JSON text changed; text, because ids do not survive `JSON.parse`. */
  | { readonly kind: 'edit'; readonly edit: (json: string) => string };

/**
 * The moment at which a late answer is made: when it is sent (the default), or when the request came. The latter shows
 * a state before everything that happened meanwhile, like an answer delayed on its way.
 */
export type AnswerMoment = 'sending' | 'request';

export interface FaultTarget {
  readonly operation?: Operation;
  readonly id?: string;
  readonly teamId?: string;
}

export interface Fault {
  /** All given fields must match; without it every request matches. */
  readonly when?: FaultTarget;
  /** Number of requests to play the fault for, 1 by default; `Infinity` until removed. */
  readonly times?: number;
  readonly answer: FaultAnswer;
}

export interface FaultScript {
  /**
   * Queues a fault. Of several that match a request, the one added first is played.
   * @returns a function that removes it
   */
  add(fault: Fault): () => void;
  /** A line for each fault with a finite `times` that has not been played as often yet. */
  pending(): readonly string[];
  clear(): void;
}

export interface FaultQueue extends FaultScript {
  take(request: Required<{ [Key in keyof FaultTarget]: string | undefined }>): FaultAnswer | undefined;
}

export function createFaultScript(): FaultQueue {
  const entries = new Set<{ readonly fault: Fault; left: number }>();

  return {
    add(fault) {
      const left = fault.times ?? 1;
      if (left !== Infinity && !(Number.isInteger(left) && left > 0)) {
        throw new RangeError(`A fault happens a whole number of times or Infinity, got ${left}.`);
      }
      const entry = { fault, left };
      entries.add(entry);
      return () => void entries.delete(entry);
    },

    pending() {
      return [...entries]
        .filter(({ left }) => left !== Infinity)
        .map(({ fault, left }) => `${describe(fault)}: ${left} left`);
    },

    clear() {
      entries.clear();
    },

    take(request) {
      for (const entry of entries) {
        if (!matches(entry.fault.when ?? {}, request)) continue;
        entry.left -= 1;
        if (entry.left === 0) entries.delete(entry);
        return entry.fault.answer;
      }
      return undefined;
    },
  };
}

function matches(when: FaultTarget, request: Parameters<FaultQueue['take']>[0]): boolean {
  return (['operation', 'id', 'teamId'] as const).every(
    (name) => when[name] === undefined || when[name] === request[name],
  );
}

function describe({ when = {}, answer }: Fault): string {
  const what = answer.kind === 'status' ? `status ${answer.status}` : answer.kind;
  const where = Object.entries(when).map(([name, value]) => `${name} ${String(value)}`);
  return `${what} for ${where.length > 0 ? where.join(', ') : 'any request'}`;
}
