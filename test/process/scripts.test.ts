import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

function run(script: string, argument: string): Promise<readonly [code: number, out: string, err: string]> {
  return new Promise((resolve) => {
    const child = execFile(
      process.execPath,
      ['--import', 'tsx', script, argument],
      { cwd: ROOT },
      (_e, out, err) => resolve([child.exitCode ?? -1, out, err]),
    );
  });
}

it.each([
  ['bench', 'test/bench/run.ts'],
  ['bench:streams', 'test/bench/streams/run.ts'],
  ['bench:faults', 'test/bench/faults/run.ts'],
  ['compose', 'test/compose.ts'],
  ['schema:diff', 'test/support/schema-diff.ts'],
])(
  'the script %s explains itself with --help, and refuses an argument that it does not know',
  async (name, script) => {
    const [code, out, err] = await run(script, '--help');
    expect([code, err]).toEqual([0, '']);
    expect(out).toMatch(new RegExp(`^Usage: npm run (?:--silent )?${name} -- \\[--help\\]`, 'm'));
    expect(out).toMatch(/^Examples?:\n\n {2}npm run /m);
    const refused = await run(script, '--nope');
    expect(refused[0]).toBe(64);
    expect(refused[2]).toMatch(/^argument "--nope" is unknown: see npm run .* --help\n$/);
  },
  60_000,
);
