import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * JSON lines on standard output. Callers log no headers or bodies; the redaction is the second lock on that door.
 * @param destination where the lines go instead, for tests
 */
export function createLog(level: LogLevel, destination: DestinationStream = standardOutput()): Log {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      redact: {
        paths: ['authorization', '*.authorization', '*.token', '*.*.authorization', '*.*.token'],
        censor: '[redacted]',
      },
    },
    destination,
  );
}

/** Written line by line: in the background, the last lines of a process come in another order, or not at all. */
function standardOutput(): DestinationStream {
  return pino.destination({ dest: 1, sync: true });
}
