import { type DestinationStream, type Logger, type LoggerOptions, pino } from 'pino';
import { type Clock, systemClock } from './clock.ts';
import { createLogDestination } from './log-destination.ts';
import { inSources } from './stacks.ts';

export interface Log extends Logger {
  /** The number of lines dropped since the start: by the destination, or because their kind had too many. */
  linesDropped(): number;
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/** Lines of one kind in one second. */
const MAX_PER_SECOND = 10;
/** The kinds that record what clients do, one line for each; the others repeat themselves while something is wrong. */
const RECORDS: ReadonlySet<string> = new Set(['request', 'subscription ended', 'write']);

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
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
    serializers: { err: errorInSources },
  };
  // Records have fixed fields, none of them an object, and looking for secrets takes most of the time of a line.
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
          if (RECORDS.has(kind)) method.apply(records, args);
          else if (admits(kind)) method.apply(this, args);
          else refused++;
        },
      },
    },
    destination,
  );
  return Object.assign(logger, { linesDropped: () => refused + (destination.dropped ?? 0) });
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
