import type { Browser } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { createLatch, type Stack, startStack } from '../harness.ts';
import type { Rows } from './frontend.ts';
import { bundle, openRecipePage, type RecipePage } from './recipe-page.ts';
import { launchChromium } from './chromium.ts';

const FIRST_TOKEN = 'first-token';
const NEXT_TOKEN = 'next-token';

export interface RecipeWorld extends Stack {
  /** Sets how many of 100 runs are done. */
  done(id: string, runs: number): void;
  open(pages: readonly Rows[], pollMs?: number): Promise<RecipePage>;
}

/** Longer than any test: then nothing but events moves the rows. */
const NEVER_MS = 86_400_000;

type StartWorld = (env?: Readonly<Record<string, string>>) => Promise<RecipeWorld>;

/** Starts a gateway and a sandbox, and opens pages of the recipe, in one browser for all tests of the file. */
export function recipeWorlds(name: string): StartWorld {
  let browser: Browser;
  let script: string;
  beforeAll(async () => {
    [browser, script] = await Promise.all([launchChromium(), bundle(name)]);
    return () => browser.close();
  }, 60_000);

  return async (env = {}) => {
    const stack = await startStack({ CORS_ORIGINS: 'http://localhost:*', ...env });
    for (const token of [FIRST_TOKEN, NEXT_TOKEN]) {
      stack.world.addToken(token, { teams: 'all', permissions: 'edit' });
    }
    return {
      ...stack,
      done: (id, runs) =>
        stack.world.set(id, { transfer_runs_total: 100, transfer_runs_completed: runs, status: 'RUNNING' }),
      open: (pages, pollMs = 10_000) =>
        openRecipePage(browser, stack, { script, token: FIRST_TOKEN, pages, pollMs }),
    };
  };
}

/** What every recipe does. Its page shows each transfer's latest backfill and moves it by events. */
export function itGoesOn(start: StartWorld): void {
  it('shows each state of a row: known, failed with its code, never run, COMPLETED, CANCELLED, stale', async () => {
    const { world, sandbox, done, open } = await start();
    const running = world.addBackfill({ transferId: '1', status: 'RUNNING' });
    done(running, 15);
    world.addBackfill({ transferId: '2', status: 'COMPLETED' });
    world.addBackfill({ transferId: '3', status: 'CANCELLED' });
    world.addBackfill({ transferId: '4', status: 'RUNNING' });
    const allow = sandbox.faults.add({
      when: { operation: 'getLatestBackfill', id: '4' },
      times: Infinity,
      answer: { kind: 'status', status: 403 },
    });
    const page = await open([{ teamId: '1', transferIds: ['1', '2', '3', '4', '5'] }]);
    await page.untilShown('1/1', 'RUNNING 15 %');
    // The first row may be moved by an event before the answer of the query comes.
    await expect
      .poll(() => ['1', '2', '3', '4', '5'].map((id) => page.shown(`1/${id}`)))
      .toEqual([
        'RUNNING 15 %',
        'COMPLETED 100 %',
        expect.stringMatching(/^CANCELLED/),
        'failed: FORBIDDEN',
        'never run',
      ]);
    // An event of one row leaves the others as they are.
    done(running, 20);
    await page.untilShown('1/1', 'RUNNING 20 %');
    expect([page.history('1/4'), page.history('1/5')]).toEqual([
      ['loading', 'failed: FORBIDDEN'],
      ['loading', 'never run'],
    ]);
    allow();
    await page.untilShown('1/4', 'RUNNING 0 %');
    const remove = sandbox.faults.add({ times: Infinity, answer: { kind: 'status', status: 503 } });
    await page.untilShown('1/1', 'stale: RUNNING 20 %');
    remove();
  });

  it('goes on by its events after a restart of the gateway', async () => {
    const { world, done, open, restart } = await start();
    const id = world.addBackfill({ transferId: '1', status: 'RUNNING' });
    done(id, 10);
    const page = await open([{ teamId: '1', transferIds: ['1'] }], NEVER_MS);
    await page.untilShown('1/1', 'RUNNING 10 %');
    await restart(async () => {
      done(id, 20);
      // Nobody listens for longer than clients wait before they ask again.
      await page.pass(5);
      await page.pass(5);
    });
    await page.untilShown('1/1', 'RUNNING 20 %');
    done(id, 30);
    await page.untilShown('1/1', 'RUNNING 30 %');
    expect(page.history('1/1')).toEqual(['loading', 'RUNNING 10 %', 'RUNNING 20 %', 'RUNNING 30 %']);
    expect(page.shown('live 1')).toBeUndefined();
  });

  it('goes on by its polls after a restart of the gateway', async () => {
    const { world, open, restart } = await start();
    world.addTransfer('1', '1');
    const page = await open([{ teamId: '1', transferIds: ['1'] }]);
    await page.untilShown('1/1', 'never run');
    await restart(() => page.pass(20));
    // What has just begun is in no row yet, so no event moves one.
    world.addBackfill({ transferId: '1', status: 'COMPLETED' });
    await page.untilShown('1/1', 'COMPLETED 100 %');
    expect(page.history('1/1')).toEqual(['loading', 'never run', 'COMPLETED 100 %']);
  });

  it('goes on by its events with a new token when the old one is refused', async () => {
    const { world, sandbox, done, open } = await start();
    const ids = ['1', '2'].map((teamId) => world.addBackfill({ teamId, transferId: '1', status: 'RUNNING' }));
    const [first = '', second = ''] = ids;
    for (const id of ids) done(id, 10);
    const pages = ['1', '2'].map((teamId) => ({ teamId, transferIds: ['1'] }));
    const page = await open(pages, NEVER_MS);
    await page.untilShown('1/1', 'RUNNING 10 %');
    await page.untilShown('2/1', 'RUNNING 10 %');
    // The stream of the second team hears of it later, and keeps what the two share open until then.
    const held = createLatch();
    const answer = { kind: 'hold', until: held.opened } as const;
    const letGo = sandbox.faults.add({ when: { teamId: '2' }, times: Infinity, answer });
    page.setToken(NEXT_TOKEN);
    world.removeToken(FIRST_TOKEN);
    done(first, 20);
    done(second, 20);
    await page.untilShown('1/1', 'RUNNING 20 %');
    letGo();
    held.open();
    await page.untilShown('2/1', 'RUNNING 20 %');
    for (const teamId of ['1', '2']) {
      expect(page.history(`${teamId}/1`)).toEqual(['loading', 'RUNNING 10 %', 'RUNNING 20 %']);
      expect(page.shown(`live ${teamId}`)).toBeUndefined();
    }
    expect(sandbox.calls.all.at(-1)?.authorization).toBe(`Bearer ${NEXT_TOKEN}`);
  });

  it('sends a query again whose token was replaced while it was under way, and shows no refusal', async () => {
    const { world, sandbox, open } = await start();
    world.addTransfer('1', '1');
    const page = await open([{ teamId: '1', transferIds: ['1'] }]);
    await page.untilShown('1/1', 'never run');
    const held = createLatch();
    const answer = { kind: 'hold', until: held.opened } as const;
    const letGo = sandbox.faults.add({ times: Infinity, answer });
    // A poll may be under way already, whose answer is at hand.
    const isAsked = async (): Promise<boolean> => {
      if (sandbox.calls.inFlight === 0) await page.pass(10);
      return sandbox.calls.inFlight > 0;
    };
    await expect.poll(isAsked, { timeout: 15_000, interval: 100 }).toBe(true);
    world.addBackfill({ transferId: '1', status: 'COMPLETED' });
    page.setToken(NEXT_TOKEN);
    world.removeToken(FIRST_TOKEN);
    letGo();
    held.open();
    await expect.poll(() => page.shown('1/1')).toBe('COMPLETED 100 %');
    expect(page.history('1/1')).toEqual(['loading', 'never run', 'COMPLETED 100 %']);
  });

  it('shows that its token is refused, and asks no more than its polls do, while there is no other', async () => {
    const { world, logLines, done, open } = await start();
    const id = world.addBackfill({ transferId: '1', status: 'RUNNING' });
    done(id, 10);
    const page = await open([{ teamId: '1', transferIds: ['1'] }]);
    await page.untilShown('1/1', 'RUNNING 10 %');
    world.removeToken(FIRST_TOKEN);
    await page.untilShown('1/1', 'failed: UNAUTHENTICATED');
    await page.untilShown('live 1', 'failed: UNAUTHENTICATED');
    const requests = (): number => logLines.filter(({ msg }) => msg === 'request').length;
    const now = (): Promise<number> => page.page.evaluate(() => Date.now());
    const [before, since] = [requests(), await now()];
    const ask = async (): Promise<number> => {
      await page.pass(1);
      return requests() - before;
    };
    await expect.poll(ask, { timeout: 15_000, interval: 20 }).toBeGreaterThanOrEqual(6);
    // Six polls; the first may have been under way, and a time of its own passes on the page as well.
    expect((await now()) - since).toBeGreaterThan(35_000);
  });

  it('keeps its rows through an outage of the REST API, marked as stale, and then shows fresh ones', async () => {
    const { world, sandbox, done, open } = await start();
    const id = world.addBackfill({ transferId: '1', status: 'RUNNING' });
    done(id, 10);
    const page = await open([{ teamId: '1', transferIds: ['1'] }]);
    await page.untilShown('1/1', 'RUNNING 10 %');
    const back = sandbox.faults.add({ times: Infinity, answer: { kind: 'reset', at: 'before-headers' } });
    await page.untilShown('1/1', 'stale: RUNNING 10 %');
    done(id, 20);
    for (let seconds = 0; seconds < 10; seconds += 2) await page.pass(2);
    expect(page.shown('1/1')).toBe('stale: RUNNING 10 %');
    back();
    await page.untilShown('1/1', 'RUNNING 20 %');
    expect(page.history('1/1')).toEqual(['loading', 'RUNNING 10 %', 'stale: RUNNING 10 %', 'RUNNING 20 %']);
  });

  it('keeps transfers and backfills of one id apart that belong to two teams', async () => {
    const { world, sandbox, done, open } = await start();
    const seventh = world.addBackfill({ teamId: '7', transferId: '500', status: 'RUNNING' });
    const eighth = world.addBackfill({ teamId: '8', transferId: '500', status: 'COMPLETED' });
    // The sandbox gives every backfill an id of its own, which the REST API does not promise.
    const edit = (json: string): string => json.replaceAll(eighth, seventh);
    sandbox.faults.add({
      when: { teamId: '8' },
      times: Infinity,
      answer: { kind: 'edit', edit },
    });
    world.addTransfer('7', '501');
    world.addBackfill({ teamId: '8', transferId: '501', status: 'RUNNING' });
    done(seventh, 10);
    const transferIds = ['500', '501'];
    const page = await open([
      { teamId: '7', transferIds },
      { teamId: '8', transferIds },
    ]);
    await page.untilShown('7/500', 'RUNNING 10 %');
    await page.untilShown('8/500', 'COMPLETED 100 %');
    await page.untilShown('7/501', 'never run');
    await page.untilShown('8/501', 'RUNNING 0 %');
    done(seventh, 20);
    await page.untilShown('7/500', 'RUNNING 20 %');
    expect(['7/500', '7/501', '8/500', '8/501'].map(page.history)).toEqual([
      ['loading', 'RUNNING 10 %', 'RUNNING 20 %'],
      ['loading', 'never run'],
      ['loading', 'COMPLETED 100 %'],
      ['loading', 'RUNNING 0 %'],
    ]);
  });

  it('shows what its user starts and cancels', async () => {
    const { world, open } = await start();
    world.addTransfer('1', '5');
    const page = await open([{ teamId: '1', transferIds: ['5'] }]);
    await page.untilShown('1/5', 'never run');
    const id = await page.act('start', '1', '5');
    await expect.poll(() => page.shown('1/5')).toMatch(/^(CREATED|SCHEDULED|RUNNING)/);
    expect(await page.act('start', '1', '5')).toBe('BAD_USER_INPUT');
    expect(await page.act('cancel', '1', id)).toBe('CANCELLED');
    await expect.poll(() => page.shown('1/5')).toMatch(/^CANCELLED/);
    expect(await page.act('cancel', '1', id)).toBe('CONFLICT');
  });

  it('sends a mutation once, although its answer is lost', async () => {
    const { world, sandbox, open, restart } = await start();
    world.addTransfer('1', '5');
    const page = await open([{ teamId: '1', transferIds: ['5'] }]);
    await page.untilShown('1/5', 'never run');
    sandbox.faults.add({ when: { operation: 'createBackfill' }, times: 1, answer: { kind: 'hang' } });
    const outcome = page.act('start', '1', '5');
    await expect.poll(() => sandbox.calls.count('createBackfill')).toBe(1);
    await restart();
    expect(await outcome).toBe('OUTCOME_UNKNOWN');
    for (let seconds = 0; seconds < 30; seconds += 5) await page.pass(5);
    expect(sandbox.calls.count('createBackfill')).toBe(1);
  });
}
