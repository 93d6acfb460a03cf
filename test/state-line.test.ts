import { describe, expect, it } from 'vitest';
import { createLog } from '../src/log.ts';
import { MAX_STATE_BYTES, type StateFields } from '../src/state-line.ts';

const FIELDS: StateFields = {
  phase: 'serving',
  version: '1.2.3',
  node: '20.19.0',
  uptimeSeconds: 1,
  memory: { resident: 5, heapUsed: 2, heapTotal: 3, heapLimit: 9, external: 1 },
};

function lineOf(config: NonNullable<StateFields['config']>): string {
  const lines: string[] = [];
  createLog('silent', { write: (line) => void lines.push(line) }).state({ ...FIELDS, config });
  expect(lines).toHaveLength(1);
  return lines[0] ?? '';
}

describe('the line `state`', () => {
  it('is whole where it fits', () => {
    const config = { PORT: 4000, GRAPHIQL: true, CACHE_SECRET: null, NO_PROXY: 'x'.repeat(10_000) };
    expect(JSON.parse(lineOf(config))).toMatchObject({ ...FIELDS, config, level: 'info', msg: 'state' });
  });

  it('leaves out the longest settings where it does not, and says how long they are', () => {
    const config = {
      PORT: 4000,
      HOST: 'x'.repeat(9_000),
      NO_PROXY: '"'.repeat(4_000),
      CORS_ORIGINS: 'é'.repeat(8_000),
    };
    expect(JSON.parse(lineOf(config))).toMatchObject({
      ...FIELDS,
      config: {
        ...config,
        CORS_ORIGINS: 'left out, since it has 16002 bytes',
        HOST: 'left out, since it has 9002 bytes',
      },
    });
  });

  it.each(['x', 'é', '"', '\u2028', '\u0007', '\ud800'])(
    'has at most 16 KiB, whatever the settings, such as many of %j',
    (character) => {
      for (let length = 1; length < 60_000; length = Math.ceil(length * 3.3)) {
        const names = Array.from({ length: 60 }, (_, n) => `SETTING_OF_SOME_LENGTH_${n}`);
        const line = lineOf(Object.fromEntries(names.map((name, n) => [name, character.repeat(length + n)])));
        expect(Buffer.byteLength(line)).toBeLessThanOrEqual(MAX_STATE_BYTES);
        expect(JSON.parse(line)).toMatchObject(FIELDS);
      }
    },
  );
});
