import process from 'node:process';
import { ConfigError } from './config.ts';
import { keepHeapSmall } from './heap.ts';

export interface Running {
  stop(): Promise<void>;
  /** Logs why the process ends at once. */
  reportCrash(error: unknown): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** sysexits.h: EX_CONFIG */
const EXIT_CONFIG = 78;

/**
 * Runs a program as this process. The program gets the environment, signals stop it gracefully, and each mistake of an
 * operator ends the process with a plain line and an exit code that is not 0.
 */
export async function runAsProcess(start: (env: Environment) => Promise<Running>): Promise<void> {
  let running: Running;
  try {
    running = await start(process.env);
  } catch (error) {
    if (error instanceof ConfigError) fail(error.message, EXIT_CONFIG);
    else if (isSystemError(error)) fail(describe(error), 1);
    else throw error;
    return;
  }
  keepHeapSmall();
  // The first signal begins the stop. A second one finds no handler and ends the process at once.
  const stop = (): void => {
    process.off('SIGTERM', stop).off('SIGINT', stop);
    void running.stop().then(() => process.exit(0));
  };
  process.on('SIGTERM', stop).on('SIGINT', stop);
  // After an unexpected error the state cannot be trusted. The supervisor starts a new process.
  process.once('uncaughtException', (error) => {
    running.reportCrash(error);
    process.exit(1);
  });
}

function fail(message: string, exitCode: number): void {
  process.stderr.write(`${message}\n`);
  process.exitCode = exitCode;
}

interface ListenError extends Error {
  readonly code: string;
  readonly port?: number;
  readonly address?: string;
}

function isSystemError(error: unknown): error is ListenError {
  return error instanceof Error && 'syscall' in error && 'code' in error;
}

function describe({ code, port, address, message }: ListenError): string {
  if (code === 'EADDRINUSE')
    return `PORT ${port} is in use on ${address}: stop what listens there, or set another PORT`;
  if (code === 'EACCES') return `PORT ${port} needs privileges this process lacks: set a PORT above 1023`;
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return `HOST ${address ?? ''} is not an address of this machine`;
  return message;
}
