import { constants } from 'node:os';
import process from 'node:process';
import { getHeapStatistics } from 'node:v8';
import {
  type Command,
  helpText,
  type Options,
  readArguments,
  UsageError,
  type Values,
} from './command-line.ts';
import { ConfigError } from './config.ts';
import { keepHeapSmall } from './heap.ts';
import { createLogDestination, type LogDestination, toFile } from './log-destination.ts';
import type { ProcessFacts } from './state-line.ts';

export interface Running {
  stop(): Promise<void>;
  /** Logs in one line what the process is busy with. */
  reportState(facts: ProcessFacts): void;
  /** Logs why the process ends at once. */
  reportCrash(error: unknown): void;
}

type Environment = Readonly<Record<string, string | undefined>>;

/** sysexits.h: EX_CONFIG and EX_USAGE */
const EXIT_CONFIG = 78;
const EXIT_USAGE = 64;
/** How long the end of the process waits for a log that is not read. */
const FLUSH_MS = 1_000;
/** Ctrl-C under npm arrives twice: from the terminal and from npm. Whoever wants the end at once repeats it later. */
const REPEAT_MS = 1_000;
const PARENT_MS = 500;

/** What a program starts with. */
export interface Surroundings<Given extends Options> {
  readonly env: Environment;
  /** Standard output, for the log and for what people read. */
  readonly output: LogDestination;
  readonly given: Values<Given>;
}

/** What is to be said of a program that has not started yet. */
export interface Beginning<Given extends Options> {
  /** Logs in one line that it is starting. */
  report(surroundings: Surroundings<Given>, facts: ProcessFacts): void;
  /** Whether somebody has asked for the state before now. */
  readonly wasAsked: boolean;
}

/**
 * Runs a program as this process. The program gets the environment, standard output and its options, signals stop it
 * gracefully, and each mistake of an operator ends the process with a plain line and an exit code that is not 0.
 * SIGUSR2 asks for its state.
 * @param reply what the options ask for where that is a text and no program that runs; `--help` needs none
 * @param beginning what SIGUSR2 gets before the program has started; nothing where it is missing
 */
export async function runAsProcess<Given extends Options>(
  command: Command<Given>,
  start: (surroundings: Surroundings<Given>) => Promise<Running>,
  reply?: (given: Values<Given>, env: Environment) => Promise<string | undefined>,
  beginning?: Beginning<Given>,
): Promise<void> {
  let report = (_facts: ProcessFacts): void => undefined;
  // Before all else: without a listener the signal ends the process.
  process.on('SIGUSR2', () => report(factsOfProcess()));
  let given: Values<Given>;
  try {
    const { values } = readArguments(command, process.argv.slice(2));
    given = values;
    const text = values.help === true ? helpText(command) : await reply?.(values, process.env);
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
  let running: Running | undefined;
  onStopSignal(() => {
    // Nobody has been served yet.
    if (running === undefined) process.exit(0);
    void running
      .stop()
      .then(() => flush(output))
      .then(() => process.exit(0));
  });
  const surroundings = { env: process.env, output, given };
  report = (facts) => beginning?.report(surroundings, facts);
  try {
    const starting = start(surroundings);
    if (beginning?.wasAsked === true) report(factsOfProcess());
    running = await starting;
  } catch (error) {
    if (error instanceof UsageError) fail(error.message, EXIT_USAGE);
    else if (error instanceof ConfigError) fail(error.message, EXIT_CONFIG);
    else if (isSystemError(error)) fail(describe(error), 1);
    else throw error;
    await flush(output);
    return;
  }
  keepHeapSmall();
  report = running.reportState;
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

function factsOfProcess(): ProcessFacts {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return {
    node: process.versions.node,
    uptimeSeconds: Math.round(process.uptime()),
    memory: {
      resident: rss,
      heapUsed,
      heapTotal,
      heapLimit: getHeapStatistics().heap_size_limit,
      external,
    },
  };
}

/**
 * Begins the stop once. A later signal ends the process at once, which takes a handler: as process 1 in a container the
 * process would not get a signal without one.
 */
function onStopSignal(begin: () => void): void {
  let stoppingSince: number | undefined;

  function stop(): void {
    if (stoppingSince !== undefined) return;
    stoppingSince = performance.now();
    begin();
  }

  function onSignal(signal: NodeJS.Signals): void {
    const isLater = stoppingSince !== undefined && performance.now() - stoppingSince >= REPEAT_MS;
    if (isLater) process.exit(128 + constants.signals[signal]);
    stop();
  }

  process.on('SIGTERM', onSignal).on('SIGINT', onSignal).on('SIGHUP', onSignal);
  if (RUN_BY_NPM.test(process.env['npm_lifecycle_script'] ?? '')) onEndOfParent(stop);
}

/** The scripts of this repository, and those of whoever has installed the command; `npx` makes one. */
const RUN_BY_NPM = /\bexec node |\bbackfill-gateway\b/;

/**
 * npm passes on SIGTERM and SIGINT only, and only to the shell where the script does not `exec`. At SIGHUP it ends by
 * itself. Either would leave this process behind.
 */
function onEndOfParent(callback: () => void): void {
  const parent = process.ppid;
  const looking = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(looking);
    callback();
  }, PARENT_MS).unref();
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
