import { buildSchema, Kind, parse } from 'graphql';
import { describe, expect, it } from 'vitest';
import type { GatewayContext } from '../../../src/graphql/context.ts';
import type { BackfillParent } from '../../../src/graphql/parents.ts';
import { type RowSelection, RowTexts } from '../../../src/server/front/row-texts.ts';

const SCHEMA = buildSchema('type Query { a: Int } type Backfill { id: ID! text: String }');
const CONTEXT = {} as GatewayContext;

function compile(texts: RowTexts, fields: string): RowSelection {
  const [operation] = parse(fields).definitions;
  if (operation?.kind !== Kind.OPERATION_DEFINITION) throw new Error('no operation');
  const selection = texts.compile(operation.selectionSet, [], new Set());
  if (selection === undefined) throw new Error('not compiled');
  return selection;
}

/** A state of a backfill that counts how often its text is made. */
function state(id: string, text = ''): { readonly parent: BackfillParent; readonly made: () => number } {
  let made = 0;
  const parent = {
    get id() {
      made++;
      return id;
    },
    text,
  };
  return { parent: parent as unknown as BackfillParent, made: () => made };
}

describe('the texts of rows', () => {
  it('are made once for each state and selection', () => {
    const texts = new RowTexts(SCHEMA, 100_000);
    const [one, both] = [compile(texts, '{ id }'), compile(texts, '{ key: id text }')];
    const [first, second] = [state('1', '"'), state('1', 'new')];
    for (let n = 0; n < 3; n++) {
      expect(texts.of(first.parent, one, CONTEXT).text).toBe('{"id":"1"}');
      expect(texts.of(first.parent, both, CONTEXT).text).toBe('{"key":"1","text":"\\""}');
      expect(texts.of(second.parent, both, CONTEXT).text).toBe('{"key":"1","text":"new"}');
    }
    expect([first.made(), second.made()]).toEqual([2, 1]);
  });

  it('are bounded in bytes together, and the oldest are made again', () => {
    const texts = new RowTexts(SCHEMA, 20_000);
    const selection = compile(texts, '{ id text }');
    const states = Array.from({ length: 10 }, (_, n) => state(String(n), 'x'.repeat(4_000)));
    for (const { parent } of states) texts.of(parent, selection, CONTEXT);
    for (const { parent } of states.slice(-3)) texts.of(parent, selection, CONTEXT);
    expect(states.slice(-3).map(({ made }) => made())).toEqual([1, 1, 1]);
    texts.of(states[0]?.parent ?? state('').parent, selection, CONTEXT);
    expect(states[0]?.made()).toBe(2);
  });

  it('are not kept where one alone is too large', () => {
    const texts = new RowTexts(SCHEMA, 1_000);
    const selection = compile(texts, '{ id text }');
    const { parent, made } = state('1', 'x'.repeat(2_000));
    for (let n = 0; n < 2; n++) texts.of(parent, selection, CONTEXT);
    expect(made()).toBe(2);
  });
});
