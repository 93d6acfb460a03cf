import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ERROR_CODES, isErrorCode, isGatewayError } from '../../src/graphql/error-codes.ts';
import { toPublicError } from '../../src/graphql/errors.ts';
import { UpstreamError } from '../../src/upstream/errors.ts';
import { codesOf, startStack } from '../harness.ts';

describe('the table of error codes', () => {
  it('is the one in the README: the same codes, retryable alike', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
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
