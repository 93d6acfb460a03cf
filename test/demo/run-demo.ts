import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { onTestFinished } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** The last line of the welcome, whose address is the one to open. */
const LAST_LINE = /^ {2}Open +http:\S+\n$/m;

export interface Demo {
  /** What is printed at the start, or until the process has ended if that comes first. */
  welcome(): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** What is left when it has ended by itself. */
  readonly end: Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
}

/** The demo as a process of its own, from its sources: the tests need no build before them. */
export function runDemo(env: Readonly<Record<string, string>>, args: readonly string[] = []): Demo {
  const child = spawn(process.execPath, ['--import', 'tsx', 'src/demo/main.ts', ...args], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));

  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);
  const end = once(child, 'close').then(() => ({
    code: child.exitCode,
    stdout: stdout.text,
    stderr: stderr.text,
  }));
  return {
    end,
    kill: (signal) => void child.kill(signal),
    async welcome() {
      const arrives = new Promise<void>((resolve) => {
        const look = (): void => {
          if (LAST_LINE.test(stdout.text)) resolve();
        };
        child.stdout.on('data', look);
        look();
      });
      await Promise.race([arrives, end]);
      return stdout.text;
    },
  };
}

function collect(stream: NonNullable<ChildProcess['stdout']>): { readonly text: string } {
  const collected = { text: '' };
  stream.setEncoding('utf8').on('data', (chunk: string) => {
    collected.text += chunk;
  });
  return collected;
}
