import {
  type Command,
  helpText,
  type Options,
  readArguments,
  UsageError,
  type Values,
} from '../../src/command-line.ts';

/** sysexits.h: EX_USAGE */
const EXIT_USAGE = 64;

/**
 * Runs a script of this repository: `--help` is printed, and an argument that means nothing ends it in one line with 64.
 * @param run may throw {@link UsageError} too
 */
export async function runScript<Given extends Options>(
  command: Command<Given>,
  run: (given: Values<Given>, operands: readonly string[]) => Promise<void> | void,
): Promise<void> {
  try {
    const { values, operands } = readArguments(command, process.argv.slice(2));
    if (values.help === true) process.stdout.write(helpText(command));
    else await run(values, operands);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = EXIT_USAGE;
  }
}
