import process from 'node:process';
import { UsageError } from './command-line.ts';
import { ConfigError } from './config.ts';
import { keepHeapSmall } from './heap.ts';
import { createLogDestination, type LogDestination, toFile } from './log-destination.ts';

export interface Running {
  stop(): Promise<void>;
  /** Logs why the process ends at once. */
  reportCrash(error: unknown): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** sysexits.h: EX_CONFIG and EX_USAGE */
const EXIT_CONFIG = 78;
const EXIT_USAGE = 64;
/** How long the end of the process waits for a log that is not read. */
const FLUSH_MS = 1_000;

/**
 * Runs a program as this process. The program gets the environment and standard output, signals stop it gracefully, and
 * each mistake of an operator ends the process with a plain line and an exit code that is not 0.
 * @param reply what the arguments ask for where that is a text and no program that runs
 */
export async function runAsProcess(
  start: (env: Environment, output: LogDestination) => Promise<Running>,
  reply?: (args: readonly string[], env: Environment) => Promise<string | undefined>,
): Promise<void> {
  try {
    const text = await reply?.(process.argv.slice(2), process.env);
    if (text !== undefined) {
      process.stdout.write(text);
      return;
    }
  } catch (error) {
    if (error instanceof UsageError) fail(error.message, EXIT_USAGE);
    else if (error instanceof ConfigError) fail(error.message, EXIT_CONFIG);
    else throw error;
    return;
  }
  // Node makes a pipe non-blocking at the first use of `process.stdout`. A write that blocked would hold a thread for
  // which the process waits at its end, forever if nobody reads.
  const output = createLogDestination({ write: toFile(process.stdout.fd) });
  let running: Running;
  try {
    running = await start(process.env, output);
  } catch (error) {
    if (error instanceof ConfigError) fail(error.message, EXIT_CONFIG);
    else if (isSystemError(error)) fail(describe(error), 1);
    else throw error;
    await flush(output);
    return;
  }
  keepHeapSmall();
  // The first signal begins the stop. A second one finds no handler and ends the process at once.
  const stop = (): void => {
    process.off('SIGTERM', stop).off('SIGINT', stop);
    void running
      .stop()
      .then(() => flush(output))
      .then(() => process.exit(0));
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  // After an unexpected error the state cannot be trusted. The supervisor starts a new process. Errors that follow while
  // the log is flushed say nothing new.
  let crashed = false;
  process.on('uncaughtException', (error) => {
    if (crashed) return;
    crashed = true;
    running.reportCrash(error);
    void flush(output).then(() => process.exit(1));
  });
}

/** Waits for the last lines, but not for a reader that has stalled. */
async function flush(output: LogDestination): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeUp = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, FLUSH_MS);
  });
  await Promise.race([output.flushed(), timeUp]);
  clearTimeout(timer);
}

function fail(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

interface ListenError extends Error {
  readonly code: string;
  readonly port?: number;
  readonly address?: string;
  /** The name of the port, where it is not PORT. */
  readonly setting?: string;
}

function isSystemError(error: unknown): error is ListenError {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function describe({ code, port, address, message, setting = 'PORT' }: ListenError): string {
  if (code === 'EADDRINUSE')
    return `${setting} ${port} is in use on ${address}: stop what listens there, or set another ${setting}`;
  if (code === 'EACCES')
    return `${setting} ${port} needs privileges this process lacks: set a ${setting} above 1023`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `HOST ${address ?? ''} is not an address of this machine`;
  return message;
}
