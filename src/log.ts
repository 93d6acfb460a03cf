import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { type Clock, systemClock } from './clock.ts';
import { createLogDestination } from './log-destination.ts';
import { inSources } from './stacks.ts';
import { fitted, type StateFields } from './state-line.ts';

export interface Log extends Logger {
  /**
   * Writes a line about one thing that a client did. There is one for each, so none is left out. Its fields are
   * numbers, texts, booleans or lists of texts: they are not searched for secrets, which takes most of the time of a line.
   * A field that is undefined is left out.
   */
  record(kind: RecordKind, fields: Readonly<Record<string, unknown>>, level?: 'debug' | 'info'): void;
  /** Writes the line `state`, whatever the level is: who asks for it gets it. It has at most `MAX_STATE_BYTES`. */
  state(fields: StateFields): void;
  /** The number of lines dropped since the start: by the destination, or because their kind had too many. */
  linesDropped(): number;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Lines of one kind in one second. */
const MAX_PER_SECOND = 10;

export type RecordKind = 'request' | 'subscription ended' | 'write';

/**
 * JSON lines on standard output. Callers log no headers or bodies; the redaction is a second safeguard.
 * @param destination where the lines go instead of standard output
 */
export function createLog(
  level: LogLevel,
  destination: DestinationStream & { readonly dropped?: number } = createLogDestination(),
  clock: Clock = systemClock,
): Log {
  const admits = createRate(clock);
  let refused = 0;
  const common: LoggerOptions = {
    level,
    base: null,
    timestamp: createTimestamp(),
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: errorInSources },
  };
  const records = pino(common, destination);
  const logger = pino(
    {
      ...common,
      redact: {
        paths: ['authorization', '*.authorization', '*.token', '*.*.authorization', '*.*.token'],
        censor: '[redacted]',
      },
      hooks: {
        logMethod(args, method) {
          const [first, second] = args as readonly unknown[];
          const kind = String(typeof first === 'string' ? first : second);
          if (admits(kind)) method.apply(this, args);
          else refused++;
        },
      },
    },
    destination,
  );
  const always = logger.child({}, { level: 'info' });
  return Object.assign(logger, {
    record(kind: RecordKind, fields: Readonly<Record<string, unknown>>, at: 'debug' | 'info' = 'info') {
      records[at](fields, kind);
    },
    state: (fields: StateFields) => always.info(fitted(fields), 'state'),
    linesDropped: () => refused + (destination.dropped ?? 0),
  });
}

/** The time as pino writes it, in ISO 8601. Lines come by the thousand in a second, which all begin alike. */
function createTimestamp(): () => string {
  let second = NaN;
  let start = '';
  return () => {
    const now = Date.now();
    const milliseconds = now % 1_000;
    if (now - milliseconds !== second) {
      second = now - milliseconds;
      start = `,"time":"${new Date(second).toISOString().slice(0, -4)}`;
    }
    return `${start}${String(milliseconds).padStart(3, '0')}Z"`;
  };
}

function errorInSources(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { stack, ...rest } = pino.stdSerializers.err(error);
  return { ...rest, stack: inSources(stack) };
}

/**
 * Whether one more line of a kind may be written in this second. A kind is the line's `msg`; these are constants of the
 * code, so there are few.
 */
function createRate(clock: Clock): (kind: string) => boolean {
  const seconds = new Map<string, { readonly until: number; left: number }>();
  return (kind) => {
    const now = clock.monotonic();
    let second = seconds.get(kind);
    if (second === undefined || now >= second.until) {
      second = { until: now + 1_000, left: MAX_PER_SECOND };
      seconds.set(kind, second);
    }
    if (second.left === 0) return false;
    second.left--;
    return true;
  };
}
