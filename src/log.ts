import { type DestinationStream, type Logger, pino } from 'pino';

export type Log = Logger;
export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'fatal' | 'silent';

/**
 * JSON lines on standard output. Callers log no headers or bodies; the redaction is a second safeguard.
 * @param destination where the lines go instead of standard output
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

/** Synchronous: written in the background, the last lines of a process come in another order, or not at all. */
function standardOutput(): DestinationStream {
  return pino.destination({ dest: 1, sync: true });
}
