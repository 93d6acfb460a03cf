import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { ERROR_CODES, isErrorCode, isGatewayError } from '../../src/graphql/error-codes.ts';
import { toPublicError } from '../../src/graphql/errors.ts';
import { UpstreamError } from '../../src/upstream/errors.ts';
import { codesOf, startStack } from '../harness.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

describe('the table of error codes', () => {
  it('is the one in the README: the same codes, retryable alike', () => {
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8');
    const section = /^## Errors$(.*?)^## /ms.exec(readme)?.[1] ?? '';
    const rows = [...section.matchAll(/^\| (`[^|]*`) +\| (yes|no) +\|/gm)].flatMap(
      ([, codes = '', retryable = '']) =>
        [...codes.matchAll(/`(\w+)`/g)].map(([, code = '']) => ({ code, retryable })),
    );
    const table = Object.entries(ERROR_CODES).map(([code, { retryable }]) => ({
      code,
      retryable: retryable ? 'yes' : 'no',
    }));
    const byCode = (a: { code: string }, b: { code: string }): number => a.code.localeCompare(b.code);
    expect(rows.sort(byCode)).toEqual(table.sort(byCode));
  });

  it('has one sentence for each', () => {
    for (const { meaning } of Object.values(ERROR_CODES)) expect(meaning).toMatch(/^[A-Z].*\.$/);
  });

  it.each([
    ['{', 'GRAPHQL_PARSE_FAILED'],
    ['{ nope }', 'GRAPHQL_VALIDATION_FAILED'],
    ['query A { __typename } query B { __typename }', 'OPERATION_RESOLUTION_FAILURE'],
    ['fragment F on Query { __typename }', 'OPERATION_RESOLUTION_FAILURE'],
    ['query ($id: ID!) { backfill(id: $id) { id } }', 'BAD_USER_INPUT'],
    ['{ backfill(id: "x") { id } }', 'BAD_USER_INPUT'],
  ])('has a code for each fault of a request: %s', async (text, code) => {
    const { query } = await startStack();
    const result = await query(text);
    expect(codesOf(result)).toEqual([code]);
    expect(result.errors?.every(isGatewayError)).toBe(true);
  });

  it('distinguishes its own codes and errors from others', () => {
    expect([
      isErrorCode('NOT_FOUND'),
      isErrorCode('toString'),
      isErrorCode('NO_ROUTE'),
      isErrorCode(1),
    ]).toEqual([true, false, false, false]);
    const error = (code: unknown): object => ({ message: 'M.', extensions: { code } });
    expect(
      [error('NOT_FOUND'), error('NO_ROUTE'), { message: 'M.' }, 'NOT_FOUND', null].map(isGatewayError),
    ).toEqual([true, false, false, false, false]);
  });
});

describe('an UpstreamError of any kind', () => {
  it('has a row in the table', () => {
    for (const kind of ['unavailable', 'timeout', 'tooManyCalls'] as const) {
      expect(toPublicError(new UpstreamError(kind, 'why')).extensions['code']).not.toBe(
        'INTERNAL_SERVER_ERROR',
      );
    }
  });
});

/** A frontend's folder with the built package installed, and the files that the package has. */
function frontendWithPackage(): { readonly frontend: string; readonly packed: readonly string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'backfill-gateway-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const [gateway, frontend] = [join(folder, 'gateway'), join(folder, 'frontend')];
  for (const name of ['package.json', 'tsconfig.json', 'schema.graphql', 'src']) {
    cpSync(join(ROOT, name), join(gateway, name), { recursive: true });
  }
  symlinkSync(join(ROOT, 'node_modules'), join(gateway, 'node_modules'));
  npm(gateway, 'run', 'build');
  const [{ files }] = JSON.parse(npm(gateway, 'pack', '--dry-run', '--json')) as [
    { files: { path: string }[] },
  ];
  mkdirSync(join(frontend, 'node_modules'), { recursive: true });
  symlinkSync(gateway, join(frontend, 'node_modules/backfill-gateway'));
  return { frontend, packed: files.map(({ path }) => path) };
}

function npm(cwd: string, ...args: readonly string[]): string {
  return execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
}

describe('the package', () => {
  it('gives frontends the schema, the codes and their types without the server', () => {
    const { frontend, packed } = frontendWithPackage();
    expect(packed).toEqual(
      expect.arrayContaining([
        'schema.graphql',
        'dist/main.js',
        'dist/graphql/error-codes.js',
        'dist/graphql/error-codes.d.ts',
      ]),
    );
    expect(
      packed.filter((path) => !/^(dist\/|package\.json$|schema\.graphql$|README|LICENSE)/.test(path)),
    ).toEqual([]);

    writeFileSync(
      join(frontend, 'code.mts'),
      `import { ERROR_CODES, type ErrorCode, isErrorCode } from 'backfill-gateway/error-codes';
       const busy: ErrorCode = 'RATE_LIMITED';
       const yes: true = ERROR_CODES[busy].retryable;
       // @ts-expect-error there is no such code
       const no: ErrorCode = 'TEAPOT';
       console.log(yes, isErrorCode(no));`,
    );
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const flags = ['--ignoreConfig', '--strict', '--module', 'nodenext', '--lib', 'ES2022,DOM'];
    execFileSync(process.execPath, [tsc, ...flags, 'code.mts'], { cwd: frontend, encoding: 'utf8' });
    expect(execFileSync(process.execPath, ['code.mjs'], { cwd: frontend, encoding: 'utf8' })).toBe(
      'true false\n',
    );
  }, 120_000);
});
