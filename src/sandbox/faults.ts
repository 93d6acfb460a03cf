import type { Operation } from './routes.ts';

export { envelope } from './answers.ts';

/** What to do instead of, or to, the ordinary answer. */
export type FaultAnswer =
  | {
      /** This status and body. An object is sent as JSON; see `envelope` for the documented error body. */
      readonly kind: 'status';
      readonly status: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly body?: string | object;
      readonly contentType?: string;
    }
  | {
      /** These bytes, and no header but those given and the length. */
      readonly kind: 'raw';
      readonly status?: number;
      readonly headers?: Readonly<Record<string, string>>;
      readonly bytes: Buffer | string;
    }
  /** Takes the request and never answers. */
  | { readonly kind: 'hang' }
  /** Answers after so many milliseconds of real time. */
  | { readonly kind: 'delay'; readonly ms: number; readonly answerFrom?: AnswerMoment }
  /** Answers when the promise is fulfilled. */
  | { readonly kind: 'hold'; readonly until: Promise<unknown>; readonly answerFrom?: AnswerMoment }
  /** Destroys the connection. */
  | { readonly kind: 'reset'; readonly at: 'before-headers' | 'after-headers' | 'in-body' }
  /** Status 200 and a body that never ends: so many bytes at once, over and over. */
  | { readonly kind: 'drip'; readonly everyMs: number; readonly bytes: number }
  /** Status 200 and so many bytes of good JSON in the documented envelope. */
  | { readonly kind: 'flood'; readonly bytes: number }
  /** Announces more than the ordinary body, sends that, and closes the connection. */
  | { readonly kind: 'truncate' }
  /** Sends the ordinary answer with its JSON text changed. It is text because ids do not survive `JSON.parse`. */
  | { readonly kind: 'edit'; readonly edit: (json: string) => string };

/**
 * Whether a late answer is made when it is sent (the default), or when the request came: then it tells what was
 * true before everything that happened meanwhile, as an answer that is long on its way does.
 */
export type AnswerMoment = 'sending' | 'request';

export interface FaultTarget {
  readonly operation?: Operation;
  readonly id?: string;
  readonly teamId?: string;
}

export interface Fault {
  /** All of it must match; left out, every request does. */
  readonly when?: FaultTarget;
  /** For how many requests, 1 unless told; `Infinity` until removed. */
  readonly times?: number;
  readonly answer: FaultAnswer;
}

export interface FaultScript {
  /** Of several faults that match a request, the one added first is played. Gives back what removes it. */
  add(fault: Fault): () => void;
  /** What has been scripted for a number of requests and not been asked for that often yet, in words. */
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
