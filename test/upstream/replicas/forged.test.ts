import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/upstream/errors.ts';
import { id } from '../../support/records.ts';
import type { MemoryWorld } from './memory-store.ts';
import { ALICE, BOB, reading, scene, type Scene, SECRET, shared, TEAM, turn } from './one-replica.ts';

/** The same bytes, changed in one of many ways. */
function altered(bytes: Buffer, n: number): Buffer {
  if (n % 3 === 0) return bytes.subarray(0, n % bytes.length);
  if (n % 3 === 1) return Buffer.concat([bytes, Buffer.of(n % 256)]);
  const copy = Buffer.from(bytes);
  const at = n % copy.length;
  copy[at] = (copy[at] ?? 0) ^ (1 + (n % 255));
  return copy;
}

describe('whoever can write to the store', () => {
  it('has no altered value of 10,000 shown, and each is counted', async () => {
    const play = scene();
    await shared(play, ALICE, 'backfill/7', 'what Alice may see');
    const [[key, good]] = valuesIn(play.world);
    play.looks.length = 0;
    for (let n = 0; n < 10_000; n++) {
      play.world.forge(key, altered(good, n));
      expect(await play.reads.peek(reading(ALICE, 'backfill/7'))).toBeUndefined();
    }
    expect(play.looks).toEqual(new Array(10_000).fill('refused'));
    play.world.forge(key, good);
    expect(await play.reads.peek(reading(ALICE, 'backfill/7'))).toMatchObject({
      value: 'what Alice may see',
    });
  });

  it('cannot move a value to another name, credential or team', async () => {
    const play = scene();
    await shared(play, ALICE, 'backfill/7', 'seven of Alice');
    await shared(play, ALICE, 'backfill/8', 'eight of Alice');
    await shared(play, BOB, 'backfill/7', 'seven of Bob');
    const values = valuesIn(play.world);
    const asked = [reading(ALICE, 'backfill/7'), reading(ALICE, 'backfill/8'), reading(BOB, 'backfill/7')];
    for (const [n, [key]] of values.entries()) {
      for (const [m, [, other]] of values.entries()) {
        play.world.forge(key, other);
        const read = asked[n];
        if (read !== undefined) expect((await play.reads.peek(read)) !== undefined).toBe(n === m);
      }
    }
  });

  it('cannot bring back what was kept in another epoch, before a refusal, or longer ago', async () => {
    const play = scene();
    await shared(play, ALICE, 'backfill/7', 'before');
    const [[key, before]] = valuesIn(play.world);
    play.standings.tellTeam(
      ALICE,
      TEAM,
      { refusal: undefined },
      { kind: 'refused', resources: ['backfill/9'] },
    );
    await turn();
    await shared(play, ALICE, 'backfill/7', 'after the refusal');
    play.world.forge(key, before);
    expect(await play.reads.peek(reading(ALICE, 'backfill/7'))).toBeUndefined();

    const { value, at } = await keptAgain(play, key);
    play.world.stepClock(-3_600_000);
    await shared(play, ALICE, 'backfill/7', 'after the step');
    play.world.forge(key, value);
    expect(await play.reads.peek(reading(ALICE, 'backfill/7'))).toBeUndefined();
    expect(at).toBeGreaterThan(0);
  });

  it('cannot make a value younger than it is', async () => {
    const play = scene();
    await shared(play, ALICE, 'backfill/7', 'of then');
    const [[key, good]] = valuesIn(play.world);
    play.clock.advance(30_000);
    play.world.forgeMoment(key, 30_000);
    play.world.forge(key, good);
    expect(await play.reads.peek(reading(ALICE, 'backfill/7'))).toBeUndefined();
  });

  it('can invent neither a refusal nor an event, and what it damages is asked for again', async () => {
    const play = scene();
    const bar = { error: new UpstreamError('unauthenticated', 'no'), until: 1e9, lastsMs: 1_000 };
    play.standings.tell(ALICE, { gate: undefined, refusal: bar, limit: undefined }, true);
    play.standings.tell(BOB, { gate: undefined, refusal: undefined, limit: 9 });
    await turn();
    const standings = [...play.world.sealed()].filter(([key]) => key.startsWith('s:'));
    const [first, second] = standings;
    if (first === undefined || second === undefined) throw new Error('two standings are kept');
    const other = scene(SECRET, play.clock, play.world);
    play.world.forge(first[0], second[1]);
    play.world.forge(second[0], altered(second[1], 5));
    for (const each of [ALICE, BOB]) await other.reads.lookAtStanding(each, TEAM);
    expect(other.learned).toEqual([]);
    expect(other.looks).toEqual(['refused', 'refused']);
  });

  it('has nobody told a failure that did not happen', async () => {
    const play = scene();
    const other = scene(SECRET, play.clock, play.world);
    let fail = (_error: Error): void => undefined;
    const call = () =>
      new Promise<never>((_resolve, reject) => {
        fail = reject;
      });
    const first = play.reads.read(reading(ALICE, 'backfill/7', { call })).catch((error: unknown) => error);
    await turn();
    const now = play.clock.monotonic();
    const own = { value: 'read here', sentAt: now, answeredAt: now, fetchedAt: 'now' };
    const second = other.reads.read(reading(ALICE, 'backfill/7', { call: () => Promise.resolve(own) }));
    await turn();
    // Its news are held back, so that the forger comes before.
    const told = new UpstreamError('unauthenticated', 'no');
    fail(told);
    await Promise.resolve();
    await first;
    for (const [key, bytes] of play.world.sealed())
      if (key.startsWith('o:')) play.world.forge(key, altered(bytes, 2));
    await turn();
    const outcome = await second;
    expect(outcome).toMatchObject({ kind: 'answered', isOwn: true });
    expect(other.looks).toContain('refused');
  });
});

describe('whoever can read the store', () => {
  it('finds neither a token nor an id in any key or value', async () => {
    const play = scene();
    await shared(play, ALICE, 'backfill/123456789', '{"transfer_backfill_id":"123456789"}');
    play.standings.tellTeam(
      ALICE,
      id('987654321'),
      { refusal: undefined },
      { kind: 'changed', resources: ['latest/555555555'] },
    );
    await turn();
    const all = play.world.dump().flat().join('\n');
    for (const secret of [ALICE.token, ALICE.id, '123456789', '987654321', '555555555', SECRET])
      expect(all).not.toContain(secret);
  });

  it('opens nothing with our secret and another token, and nothing with the token and another secret', async () => {
    const play = scene();
    await shared(play, ALICE, 'backfill/7', 'what Alice may see');
    const stranger = scene('another secret of 32 characters!', play.clock, play.world);
    expect(await stranger.reads.peek(reading(ALICE, 'backfill/7'))).toBeUndefined();
    expect(await play.reads.peek(reading(BOB, 'backfill/7'))).toBeUndefined();
  });
});

function valuesIn(world: MemoryWorld): [[key: string, sealed: Buffer], ...[key: string, sealed: Buffer][]] {
  const [first, ...rest] = [...world.sealed()].filter(([key]) => key.startsWith('v:'));
  if (first === undefined) throw new Error('no value is kept');
  return [first, ...rest];
}

/** What the store holds of it now. */
async function keptAgain(play: Scene, key: string): Promise<{ readonly value: Buffer; readonly at: number }> {
  await shared(play, ALICE, 'backfill/7', 'again');
  const value = play.world.sealed().get(key);
  if (value === undefined) throw new Error('it is kept');
  return { value, at: play.clock.monotonic() };
}
