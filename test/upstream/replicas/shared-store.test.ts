import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createRedisStore } from '../../../src/upstream/replicas/redis-store.ts';
import {
  type Asked,
  type AskedResource,
  type Changed,
  type Hour,
  type Lock,
  LOCK_MS,
  type News,
  type Report,
  type SharedStore,
  type Told,
} from '../../../src/upstream/replicas/shared-store.ts';
import { createManualClock } from '../../support/manual-clock.ts';
import { redisIsSkipped, startRedisUntilEnd } from '../../support/redis.ts';
import { createMemoryWorld } from './memory-store.ts';

/** A store with replicas, and what a test does to it. */
interface World {
  storeOf(replica: string): Promise<SharedStore>;
  /** Lets everything expire that lasts no longer. */
  expire(ms: number): Promise<void>;
  empty(): Promise<void>;
  /** Lets so much time pass for the stretch. */
  passed(ms: number): Promise<void>;
  /** Sets the latest moment that the store knows this far ahead, as if its clock had stepped back. */
  stepBack(ms: number): Promise<void>;
}

function inMemory(): Promise<World> {
  const clock = createManualClock();
  let marks = 0;
  const world = createMemoryWorld(clock, () => `mark ${++marks}`);
  return Promise.resolve({
    storeOf: (replica) => Promise.resolve(world.storeOf(replica)),
    expire(ms) {
      clock.advance(ms);
      return Promise.resolve();
    },
    empty() {
      world.empty();
      return Promise.resolve();
    },
    passed(ms) {
      clock.advance(ms);
      return Promise.resolve();
    },
    stepBack(ms) {
      world.stepClock(-ms);
      return Promise.resolve();
    },
  });
}

async function inRedis(): Promise<World> {
  const { url } = await startRedisUntilEnd();
  const redis = new Redis(url.href);
  onTestFinished(() => redis.disconnect());
  return {
    async storeOf(replica) {
      const store = createRedisStore({ url, replica });
      onTestFinished(() => store.close());
      await new Promise<void>((resolve) => {
        store.onConnection((isThere) => {
          if (isThere) resolve();
        });
      });
      return store;
    },
    async expire(ms) {
      for (const key of await redis.keys('*')) await redis.pexpire(key, (await redis.pttl(key)) - ms);
    },
    async empty() {
      await redis.flushall();
    },
    async passed(ms) {
      for (const key of await redis.keys('backfill-gateway:s:*')) await redis.hincrby(key, 'at', -ms);
    },
    async stepBack(ms) {
      await redis.hincrby('backfill-gateway:clock', 'at', ms);
    },
  };
}

const CREDENTIAL = { names: ['credential'], version: '' } as const;
const TEAM = { names: ['team'], version: '' } as const;
const HOUR = ['hour'] as const;
const sealed = Buffer.from([0, 1, 255, 13, 10]);

function asking(...resources: readonly Partial<AskedResource>[]): Asked {
  return {
    credential: CREDENTIAL,
    team: TEAM,
    hour: HOUR,
    resources: resources.map((resource) => ({
      names: ['row'],
      since: 0,
      holder: undefined,
      waitsFor: undefined,
      ...resource,
    })),
  };
}

function lock(holder: string): Lock {
  return { names: ['row'], holder, ofTeam: TEAM.names };
}

/** Asks as one who knows the standing of now. */
async function known(store: SharedStore, resource: Partial<AskedResource>): Promise<Told> {
  const { credential, team } = await store.ask(asking());
  return store.ask({
    ...asking(resource),
    credential: { names: CREDENTIAL.names, version: credential.version },
    team: { names: TEAM.names, version: team.version },
  });
}

function marksIn({ resources }: Pick<Told, 'resources'>): readonly string[] {
  const [first] = resources;
  if (first?.state !== 'mine') throw new Error(`the asker has no lock, but ${first?.state}`);
  return first.marks;
}

/** What the holder was answered. */
function finished(
  told: Told,
  holder: string,
  lifeMs = 60_000,
  at = told.now,
): Parameters<SharedStore['finish']>[0] {
  return {
    ...lock(holder),
    under: {
      epoch: told.epoch,
      ofCredential: { names: CREDENTIAL.names, marks: told.credential.marks },
      ofTeam: { marks: told.team.marks },
      marks: marksIn(told),
    },
    outcome: { kind: 'value', sealed, at, lifeMs },
  };
}

const NOTHING: Report = {
  hour: HOUR,
  added: new Map(),
  foreseen: { misses: 0, refreshes: 0, resyncs: 0 },
  stretch: 1,
  known: undefined,
  restored: new Map(),
  told: undefined,
};

/** @returns the hour after the report */
async function reported(store: SharedStore, report: Partial<Report> = {}): Promise<Hour> {
  const { hours } = await store.report([{ ...NOTHING, ...report }]);
  const [hour] = hours;
  if (hour === undefined) throw new Error('the store told of no hour');
  return hour;
}

async function callsOf(store: SharedStore): Promise<number> {
  const { calls } = await reported(store);
  return [...calls.values()].reduce((sum, each) => sum + each, 0);
}

const WORLDS = [
  ['the store in memory', inMemory, false],
  ['the store in Redis', inRedis, redisIsSkipped()],
] as const;

describe.each(WORLDS)('%s', (_name, createWorld, isSkipped) => {
  describe.skipIf(isSkipped)('for replicas', () => {
    it('gives the lock of a resource to one of them, and counts one call', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      expect((await one.ask(asking({ holder: 'A' }))).resources).toMatchObject([{ state: 'mine' }]);
      expect((await other.ask(asking({ holder: 'B' }))).resources).toEqual([{ state: 'held', holder: 'A' }]);
      expect(await callsOf(other)).toBe(1);
    });

    it('tells what a call was answered to those who ask later, byte for byte, where it is recent enough', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      const told = await one.ask(asking({ holder: 'A' }));
      await one.finish(finished(told, 'A'));
      const later = await other.ask(asking({}, { since: told.now + 1 }, { since: Infinity }));
      expect(later.resources).toEqual([
        { state: 'value', marks: marksIn(told), under: 0, at: told.now, sealed },
        { state: 'none', marks: marksIn(told) },
        { state: 'none', marks: marksIn(told) },
      ]);
      expect((await other.ask(asking({ since: Infinity, holder: 'B' }))).resources).toMatchObject([
        { state: 'mine' },
      ]);
    });

    it('tells all who listen what has changed', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      const news: News[] = [];
      // It may hear first that there was news before it listened.
      other.onNews((each) => each && void news.push(each));
      await one.finish(finished(await one.ask(asking({ holder: 'A' })), 'A'));
      await one.change({ of: CREDENTIAL.names, version: 'next' });
      await one.release([lock('A')]);
      const answered = { kind: 'answered', team: ['team'], names: ['row'] };
      await expect.poll(() => news).toEqual([answered, { kind: 'changed', names: ['credential'] }, answered]);
    });

    it('gives the lock of one that does not renew it to another', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      await store.ask(asking({ holder: 'A' }));
      await world.expire(LOCK_MS - 200);
      await store.renew([lock('A')]);
      await world.expire(LOCK_MS - 200);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'held' }]);
      await world.expire(LOCK_MS);
      await store.renew([lock('A')]);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'mine' }]);
    });

    it('gives a lock that was released to another, and takes none away from who has it', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      await store.ask(asking({ holder: 'A' }));
      await store.release([lock('B')]);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'held' }]);
      await store.release([lock('A')]);
      expect((await store.ask(asking({ holder: 'B' }))).resources).toMatchObject([{ state: 'mine' }]);
    });

    it('tells those who waited for a call how it failed, and nobody else', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await store.finish({ ...finished(told, 'A'), outcome: { kind: 'failure', sealed } });
      const { resources } = await store.ask(asking({ waitsFor: 'A' }, { holder: 'B' }));
      expect(resources).toMatchObject([{ state: 'failed', sealed }, { state: 'mine' }]);
    });

    it.each<[what: string, changed: Changed]>([
      ['credential', { of: CREDENTIAL.names, version: 'next', marks: ['another'] }],
      ['team', { of: TEAM.names, version: 'next', marks: ['another'] }],
      ['resource', { of: TEAM.names, version: 'next', resources: [{ names: ['row'], marks: ['another'] }] }],
    ])('keeps nothing that was asked for before a change of the %s', async (_what, changed) => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await store.change(changed);
      await store.finish(finished(told, 'A'));
      const { resources, credential, team } = await known(store, { holder: 'B' });
      expect(resources).toMatchObject([{ state: 'mine' }]);
      const marks = [...credential.marks, ...team.marks, ...marksIn({ resources })];
      expect(marks.filter((mark) => mark === 'another')).toHaveLength(1);
    });

    it('drops a resource that has changed, or keeps what the change has told of it', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const { now } = await store.ask(asking({ holder: 'A' }));
      const dropped = { names: ['row'], marks: ['another'] } as const;
      await store.change({ of: TEAM.names, version: 'next', resources: [dropped] });
      expect((await store.ask(asking({}))).resources).toEqual([{ state: 'held', holder: 'A' }]);
      await store.release([lock('A')]);
      expect((await store.ask(asking({}))).resources).toMatchObject([{ state: 'none' }]);
      const value = { sealed, at: now, lifeMs: 60_000 };
      await store.change({ of: TEAM.names, version: 'next', resources: [{ ...dropped, value }] });
      expect((await store.ask(asking({}))).resources).toEqual([
        { state: 'value', marks: ['another'], under: 0, at: now, sealed },
      ]);
    });

    it('keeps the later of two answers', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await store.finish(finished(told, 'A', 60_000, told.now + 5));
      await store.finish(finished(told, 'A', 60_000, told.now));
      expect((await store.ask(asking({}))).resources).toMatchObject([{ at: told.now + 5 }]);
    });

    it('lets no call begin for one who does not know the standing, and tells it', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      await store.change({
        of: CREDENTIAL.names,
        version: 'next',
        standing: { sealed: [sealed], lifeMs: 60_000 },
      });
      const { resources, credential } = await store.ask(asking({ holder: 'A' }));
      expect(resources).toEqual([{ state: 'look' }]);
      expect(credential).toMatchObject({ version: 'next', previous: '', remembered: { sealed, under: 0 } });
      expect(await callsOf(store)).toBe(0);
      expect((await known(store, { holder: 'A' })).resources).toMatchObject([{ state: 'mine' }]);
    });

    it('counts what is added to the hour, in its minute', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const { now } = await store.ask(asking({ holder: 'A' }));
      const minute = Math.floor(now / 60_000);
      const added = new Map([
        [minute - 61, 8],
        [minute - 5, 4],
        [minute, 2],
      ]);
      const { calls } = await reported(store, { added });
      expect(calls).toEqual(
        new Map([
          [minute - 5, 4],
          [minute, 3],
        ]),
      );
    });

    it('tells the last two minutes to who knows the others, and all where one has changed', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const minute = Math.floor((await store.ask(asking())).now / 60_000);
      const first = await reported(store, { added: new Map([[minute - 5, 4]]) });
      expect(await reported(store, { known: first, added: new Map([[minute, 1]]) })).toEqual({
        ...first,
        calls: new Map([[minute, 1]]),
      });
      await reported(store, { added: new Map([[minute - 7, 1]]) });
      const { calls } = await reported(store, { known: first });
      expect([...calls.keys()].sort()).toEqual([minute - 7, minute - 5, minute]);
    });

    it('has another generation of the hour after it was emptied, and takes the greater counts that replicas restore', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const { now } = await store.ask(asking({ holder: 'A' }));
      const before = await reported(store);
      await world.empty();
      const after = await reported(store);
      expect(after.generation).not.toBe(before.generation);
      const minute = Math.floor(now / 60_000);
      const restored = new Map([
        [minute, 3],
        [minute - 1, 4],
        [minute - 100, 5],
      ]);
      await reported(store, { restored });
      await reported(store, { restored: new Map([[minute, 1]]) });
      expect(await callsOf(store)).toBe(7);
    });

    it('has no fewer and no more calls in the hour than the REST API says', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const minute = Math.floor((await store.ask(asking())).now / 60_000);
      await reported(store, { added: new Map([[minute - 5, 4]]), told: { least: 6, most: 10 } });
      expect((await reported(store)).calls).toEqual(
        new Map([
          [minute - 5, 4],
          [minute, 2],
        ]),
      );
      await reported(store, { told: { least: 1, most: 1 } });
      expect(await callsOf(store)).toBe(1);
    });

    it('gives all replicas one stretch, and another one after a second', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      expect((await reported(one, { stretch: 2.5 })).stretch).toBe(2.5);
      expect((await reported(other, { stretch: 3 })).stretch).toBe(2.5);
      await world.passed(1_000);
      expect((await reported(other, { stretch: 3 })).stretch).toBe(3);
      expect((await reported(one, { stretch: 2.5 })).stretch).toBe(3);
    });

    it('sums what all replicas foresee', async () => {
      const world = await createWorld();
      const [one, other] = [await world.storeOf('one'), await world.storeOf('other')];
      await one.report([{ ...NOTHING, foreseen: { misses: 1.5, refreshes: 2, resyncs: 3 } }]);
      const survey = await other.report([
        { ...NOTHING, foreseen: { misses: 10, refreshes: 20, resyncs: 30 } },
      ]);
      expect(survey.hours[0]?.foreseen).toEqual({ misses: 11.5, refreshes: 22, resyncs: 33 });
    });

    it('tells how many share with each replica, and how many share something else', async () => {
      const world = await createWorld();
      const old = await world.storeOf('one of the old secret');
      const both = await world.storeOf('one of both');
      const other = await world.storeOf('one of another secret');
      await old.report([], ['old']);
      await both.report([], ['new', 'old']);
      expect(await old.report([], ['old'])).toMatchObject({ replicas: 2, foreign: 0 });
      expect(await both.report([], ['new', 'old'])).toMatchObject({ replicas: 2, foreign: 0 });
      expect(await other.report([], ['other'])).toMatchObject({ replicas: 1, foreign: 2 });
      expect(await old.report([], ['old'])).toMatchObject({ replicas: 2, foreign: 1 });
      expect(await (await world.storeOf('one that only looks')).report([])).toMatchObject({ replicas: 0 });
      expect(await old.report([], ['old'])).toMatchObject({ replicas: 2, foreign: 1 });
    });

    it('begins another epoch where its clock steps back, and where it was emptied', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await world.stepBack(60_000);
      const stepped = await store.ask(asking({}));
      expect(stepped.epoch).not.toBe(told.epoch);
      expect((await store.ask(asking({}))).epoch).toBe(stepped.epoch);
      await store.finish(finished(told, 'A'));
      expect((await store.ask(asking({}))).resources).toMatchObject([{ state: 'none' }]);
      await world.empty();
      expect((await store.ask(asking({}))).epoch).not.toBe(stepped.epoch);
    });

    it('reads under both names while a secret is replaced, and locks and counts under both', async () => {
      const world = await createWorld();
      const store = await world.storeOf('one');
      const told = await store.ask(asking({ holder: 'A' }));
      await store.finish(finished(told, 'A'));
      const both: Asked = {
        credential: { names: ['new credential', 'credential'], version: '' },
        team: { names: ['new team', 'team'], version: '' },
        hour: ['new hour', 'hour'],
        resources: [
          { names: ['new row', 'row'], since: 0, holder: undefined, waitsFor: undefined },
          { names: ['new row', 'row'], since: Infinity, holder: 'B', waitsFor: undefined },
        ],
      };
      const { resources } = await store.ask(both);
      expect(resources).toMatchObject([{ state: 'value', under: 1 }, { state: 'mine' }]);
      expect((await store.ask(asking({ since: Infinity, holder: 'C' }))).resources).toMatchObject([
        { state: 'held', holder: 'B' },
      ]);
      expect(await callsOf(store)).toBe(2);
    });

    it.each([
      ['new', ['new row']],
      ['old', ['row']],
    ] as const)(
      'renews the mark by the other name where a replica with the %s secret has changed its own',
      async (_secret, names) => {
        const world = await createWorld();
        const store = await world.storeOf('one');
        const both: Asked = {
          credential: { names: ['new credential', 'credential'], version: '' },
          team: { names: ['new team', 'team'], version: '' },
          hour: ['new hour', 'hour'],
          resources: [{ names: ['new row', 'row'], since: 0, holder: 'A', waitsFor: undefined }],
        };
        const before = marksIn(await store.ask(both));
        await store.release([{ names: ['new row', 'row'], holder: 'A', ofTeam: ['new team', 'team'] }]);
        await store.change({
          of: ['another team'],
          version: 'next',
          resources: [{ names: [...names], marks: ['another'] }],
        });
        const after = marksIn(await store.ask(both));
        expect(after.filter((mark, n) => mark !== before[n])).toHaveLength(2);
      },
    );
  });
});
