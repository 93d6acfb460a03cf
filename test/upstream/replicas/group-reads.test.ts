import { describe, expect, it } from 'vitest';
import { UpstreamError } from '../../../src/upstream/errors.ts';
import type { Answered } from '../../../src/upstream/replicas/group-reads.ts';
import { createGuardedStore } from '../../../src/upstream/replicas/guarded-store.ts';
import { ALICE, reading, scene, type Scene, SECRET, turn } from './one-replica.ts';

/** Two replicas with one store, on one clock. */
function two(): readonly [Scene, Scene] {
  const one = scene();
  return [one, scene(SECRET, one.clock, one.world)];
}

interface HeldCall {
  made: number;
  readonly call: () => Promise<Answered<string>>;
  answer(value: string): void;
  fail(error: UpstreamError): void;
}

/** A call that takes until the test answers it. */
function held({ clock }: Scene): HeldCall {
  let settle: { answer: (answered: Answered<string>) => void; fail: (error: unknown) => void } | undefined;
  const sentAt = clock.monotonic();
  const call: HeldCall = {
    made: 0,
    call() {
      call.made++;
      return new Promise((resolve, reject) => (settle = { answer: resolve, fail: reject }));
    },
    answer: (value) => settle?.answer({ value, sentAt, answeredAt: clock.monotonic(), fetchedAt: 'then' }),
    fail: (error) => settle?.fail(error),
  };
  return call;
}

/** Lets time go on, with all that follows at each step. */
async function pass({ clock }: Scene, milliseconds: number): Promise<void> {
  for (let left = milliseconds; left > 0; left -= 50) {
    clock.advance(Math.min(50, left));
    await turn();
  }
}

describe('a call that takes long', () => {
  it('is made once, however long the others wait, and they get its answer', async () => {
    const [one, other] = two();
    const [mine, theirs] = [held(one), held(other)];
    const deadline = one.clock.monotonic() + 10_000;
    const first = one.reads.read(reading(ALICE, 'backfill/7', { call: mine.call, deadline }));
    await turn();
    const second = other.reads.read(reading(ALICE, 'backfill/7', { call: theirs.call, deadline }));
    await pass(one, 9_500);
    mine.answer('late');
    expect(await first).toMatchObject({ isOwn: true, answered: { value: 'late' } });
    await turn();
    expect(await second).toMatchObject({ isOwn: false, answered: { value: 'late' } });
    expect([mine.made, theirs.made]).toEqual([1, 0]);
    expect(other.looks).toEqual(['waited']);
  });

  it('is made by another within a second where its maker has died', async () => {
    const [one, other] = two();
    const theirs = held(other);
    // It takes the lock, and is never heard of again.
    await one.store.ask({
      credential: { names: one.names(ALICE, 'credential'), version: '' },
      team: { names: one.names(ALICE, 'team', '1'), version: '' },
      hour: one.names(ALICE, 'hour'),
      resources: [
        {
          names: one.names(ALICE, 'resource', '1', 'backfill/7'),
          since: 0,
          holder: 'dead',
          waitsFor: undefined,
        },
      ],
    });
    void other.reads.read(reading(ALICE, 'backfill/7', { call: theirs.call }));
    await pass(one, 850);
    expect(theirs.made).toBe(0);
    await pass(one, 350);
    expect(theirs.made).toBe(1);
  });

  it('is given up by those whose deadline is over', async () => {
    const [one, other] = two();
    const mine = held(one);
    void one.reads.read(reading(ALICE, 'backfill/7', { call: mine.call }));
    await turn();
    const deadline = one.clock.monotonic() + 1_000;
    const second = other.reads
      .read(reading(ALICE, 'backfill/7', { deadline }))
      .catch((error: unknown) => error);
    await pass(one, 1_300);
    expect(await second).toMatchObject({ kind: 'timeout' });
  });

  it('is taken over where its maker stops', async () => {
    const [one, other] = two();
    const [mine, theirs] = [held(one), held(other)];
    void one.reads.read(reading(ALICE, 'backfill/7', { call: mine.call }));
    await turn();
    void other.reads.read(reading(ALICE, 'backfill/7', { call: theirs.call }));
    await turn();
    await one.reads.close();
    await turn();
    expect(theirs.made).toBe(1);
  });
});

describe('the failure of a call', () => {
  it('is that of all who waited for it', async () => {
    const [one, other] = two();
    const mine = held(one);
    const first = one.reads
      .read(reading(ALICE, 'backfill/7', { call: mine.call }))
      .catch((error: unknown) => error);
    await turn();
    const second = other.reads.read(reading(ALICE, 'backfill/7'));
    await turn();
    mine.fail(new UpstreamError('failed', 'no', { details: { status: 500, requestId: 'r-1' } }));
    expect(await first).toMatchObject({ kind: 'failed' });
    expect(await second).toMatchObject({
      kind: 'failed',
      error: { kind: 'failed', details: { status: 500, requestId: 'r-1' } },
    });
  });

  it('is not told where it is about the one who made it, and another calls', async () => {
    const [one, other] = two();
    const [mine, theirs] = [held(one), held(other)];
    const first = one.reads
      .read(reading(ALICE, 'backfill/7', { call: mine.call }))
      .catch((error: unknown) => error);
    await turn();
    void other.reads.read(reading(ALICE, 'backfill/7', { call: theirs.call }));
    await turn();
    mine.fail(new UpstreamError('overloaded', 'no slot'));
    expect(await first).toMatchObject({ kind: 'overloaded' });
    await turn();
    expect(theirs.made).toBe(1);
  });
});

describe('a read that may make no call', () => {
  it('gets what another replica has read, and else its refusal', async () => {
    const [one, other] = two();
    const refusal = new UpstreamError('rateLimited', 'the gate is closed');
    const refused = reading(ALICE, 'backfill/7', { refusal: () => refusal });
    await expect(other.reads.read(refused)).rejects.toBe(refusal);
    const mine = held(one);
    void one.reads.read(reading(ALICE, 'backfill/7', { call: mine.call }));
    await turn();
    mine.answer('read elsewhere');
    await turn();
    expect(await other.reads.read(refused)).toMatchObject({ answered: { value: 'read elsewhere' } });
  });
});

describe('after a refusal', () => {
  it('one read of all replicas goes ahead, and the others wait for what it shows', async () => {
    const [one, other] = two();
    const [mine, theirs] = [held(one), held(other)];
    let isOver = false;
    const trial = { isTrial: () => !isOver };
    void one.reads.read(reading(ALICE, 'backfill/7', { ...trial, call: mine.call }));
    await turn();
    void other.reads.read(reading(ALICE, 'backfill/8', { ...trial, call: theirs.call }));
    await pass(one, 600);
    expect([mine.made, theirs.made]).toEqual([1, 0]);
    isOver = true;
    mine.answer('accepted again');
    await turn();
    expect(theirs.made).toBe(1);
  });
});

describe('a store that does not answer', () => {
  it('holds up a read once, for its time at most, and is tried again in the background', async () => {
    const { clock, world } = scene();
    let isHung = true;
    const whole = world.storeOf('hung');
    const changes: (string | undefined)[] = [];
    const store = createGuardedStore(
      { ...whole, report: (reports) => (isHung ? new Promise(() => undefined) : whole.report(reports)) },
      { clock, timeoutMs: 50, onChange: (awayFor) => void changes.push(awayFor), random: () => 1 },
      true,
    );
    const first = store.report([]).catch((error: unknown) => error);
    const second = store.report([]).catch((error: unknown) => error);
    clock.advance(49);
    await turn();
    clock.advance(1);
    await turn();
    expect(await first).toMatchObject({ message: 'timeout' });
    expect(await second).toBeInstanceOf(Error);
    await expect(store.report([])).rejects.toThrow('away');
    expect(store.awayFor).toBeUndefined();
    clock.advance(50);
    await turn();
    expect(store.awayFor).toBe('timeout');
    await expect(store.report([])).rejects.toThrow('away');
    isHung = false;
    clock.advance(500);
    await turn();
    expect(store.awayFor).toBeUndefined();
    expect(changes).toEqual(['timeout', undefined]);
  });

  it('is given its time where this process did something else meanwhile', async () => {
    const { clock, world } = scene();
    const whole = world.storeOf('asked late');
    let busyMs = 0;
    const store = createGuardedStore(
      { ...whole, renew: () => new Promise((resolve) => clock.after(30, resolve)) },
      {
        clock: { ...clock, monotonic: () => clock.monotonic() + busyMs },
        timeoutMs: 50,
        onChange: () => undefined,
      },
      true,
    );
    const step = store.renew([]);
    busyMs = 200;
    clock.advance(10);
    await turn();
    clock.advance(20);
    await expect(step).resolves.toBeUndefined();
    expect(store.awayFor).toBeUndefined();
  });

  it('is asked again as soon as it answers, where it was late for a moment, and nobody is told', async () => {
    const { clock, world } = scene();
    const whole = world.storeOf('late');
    let takesMs = 60;
    const changes: (string | undefined)[] = [];
    let doubtsOver = 0;
    const store = createGuardedStore(
      {
        ...whole,
        async report(reports) {
          await new Promise<void>((resolve) => clock.after(takesMs, resolve));
          return whole.report(reports);
        },
      },
      {
        clock,
        timeoutMs: 50,
        onChange: (awayFor) => void changes.push(awayFor),
        onDoubtOver: () => doubtsOver++,
      },
      true,
    );
    const late = store.report([]).catch((error: unknown) => error);
    const underWay = store.renew([]);
    takesMs = 5;
    clock.advance(50);
    await turn();
    expect(await late).toMatchObject({ message: 'timeout' });
    await expect(store.report([])).rejects.toThrow('away');
    await underWay;
    clock.advance(5);
    await turn();
    await turn();
    expect(doubtsOver).toBe(1);
    const asked = store.report([]);
    await turn();
    clock.advance(5);
    expect(await asked).toMatchObject({ replicas: 0 });
    expect(changes).toEqual([]);
  });

  it.each([
    ['OOM command not allowed when used memory > maxmemory', 'full'],
    ["READONLY You can't write against a read only replica.", 'read-only'],
    ['NOAUTH Authentication required.', 'not allowed'],
    ["ERR unknown command 'EVALSHA'", 'no scripts'],
    ['a text of somebody: token-1', 'Error'],
  ])('is away for a reason of ours where it says %j', async (message, reason) => {
    const { clock, world } = scene();
    const whole = world.storeOf('odd');
    const store = createGuardedStore(
      { ...whole, report: () => Promise.reject(new Error(message)) },
      { clock, timeoutMs: 50, onChange: () => undefined },
      true,
    );
    await expect(store.report([])).rejects.toThrow();
    expect(store.awayFor).toBe(reason);
  });
});
