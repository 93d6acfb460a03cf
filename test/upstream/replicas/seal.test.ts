import { describe, expect, it } from 'vitest';
import { parseCredential } from '../../../src/upstream/credentials.ts';
import { createSeal } from '../../../src/upstream/replicas/seal.ts';

const OLD = 'the secret before, of at least 32 bytes';
const NEW = 'the present secret, of at least 32 bytes';
const ORIGIN = 'https://api.example/v1';
const TEXT = '{"id":"12345"}';

function credential(token: string): NonNullable<ReturnType<typeof parseCredential>> {
  const parsed = parseCredential(`Bearer ${token}`);
  if (parsed === undefined) throw new Error('a token of the tests is one');
  return parsed;
}

const ada = credential('ada-token');
const bob = credential('bob-token');

describe('what is sealed', () => {
  const seal = createSeal([NEW], ORIGIN);
  const sealed = seal.seal(ada, TEXT, ['name', 'mark']);

  it('opens for the credential that it was sealed for, bound to the same', () => {
    expect(seal.open(ada, sealed, ['name', 'mark'])).toBe(TEXT);
  });

  it.each([
    ['another credential', bob, ['name', 'mark']],
    ['another name', ada, ['other', 'mark']],
    ['another mark', ada, ['name', 'other']],
    ['the parts of what it is bound to in another division', ada, ['namema', 'rk']],
    ['less', ada, ['name']],
  ] as const)('does not open for %s', (_what, who, boundTo) => {
    expect(seal.open(who, sealed, boundTo)).toBeUndefined();
  });

  it('does not open with any byte altered, cut or added', () => {
    for (let n = 0; n < sealed.length; n++) {
      const altered = Buffer.from(sealed);
      altered[n] = (altered[n] ?? 0) ^ 1;
      expect(seal.open(ada, altered, ['name', 'mark'])).toBeUndefined();
      expect(seal.open(ada, sealed.subarray(0, n), ['name', 'mark'])).toBeUndefined();
    }
    expect(seal.open(ada, Buffer.concat([sealed, Buffer.of(0)]), ['name', 'mark'])).toBeUndefined();
  });

  it('does not open with the token and another secret, nor holds the token, the text or the secret', () => {
    expect(createSeal([OLD], ORIGIN).open(ada, sealed, ['name', 'mark'])).toBeUndefined();
    for (const told of [ada.token, TEXT, '12345', NEW]) expect(sealed.includes(told)).toBe(false);
  });

  it('is never the same twice', () => {
    expect(seal.seal(ada, TEXT, ['name', 'mark'])).not.toEqual(sealed);
  });
});

describe('a secret that is replaced', () => {
  const before = createSeal([OLD], ORIGIN);
  const during = createSeal([NEW, OLD], ORIGIN);
  const after = createSeal([NEW], ORIGIN);

  it('opens what the one before has sealed, and seals by the present one', () => {
    expect(during.open(ada, before.seal(ada, TEXT, ['name']), ['name'])).toBe(TEXT);
    expect(after.open(ada, during.seal(ada, TEXT, ['name']), ['name'])).toBe(TEXT);
    expect(before.open(ada, during.seal(ada, TEXT, ['name']), ['name'])).toBeUndefined();
  });

  it('gives names by both, the present one first', () => {
    const both = during.names(ada, '936506', 'backfill', '12345');
    expect(both).toEqual([
      ...after.names(ada, '936506', 'backfill', '12345'),
      ...before.names(ada, '936506', 'backfill', '12345'),
    ]);
  });
});

describe('a name', () => {
  const seal = createSeal([NEW], ORIGIN);
  const name = seal.names(ada, '936506', 'backfill', '12345');

  it('is another for another credential, team, kind, id, or REST API', () => {
    const others = [
      seal.names(bob, '936506', 'backfill', '12345'),
      seal.names(ada, '936507', 'backfill', '12345'),
      seal.names(ada, '936506', 'latest', '12345'),
      seal.names(ada, '936506', 'backfill', '12346'),
      seal.names(ada, '93650', '6backfill', '12345'),
      createSeal([NEW], 'https://other.example/v1').names(ada, '936506', 'backfill', '12345'),
    ];
    expect(new Set([name, ...others].map(String)).size).toBe(7);
  });

  it('says nothing of what it names', () => {
    expect(String(name)).toMatch(/^[\w-]{22}$/);
  });
});
