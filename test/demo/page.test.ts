import type { Browser } from 'playwright-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { CANCEL, LIVE, START, TRANSFERS } from '../../src/demo/page/operations.ts';
import { TROUBLES } from '../../src/sandbox/trouble.ts';
import { DEMO_BACKFILL_IDS, DEMO_TEAM_ID, DEMO_TRANSFER_IDS } from '../../src/sandbox/world/demo-world.ts';
import { launchChromium, skipsWithoutChromium } from '../support/chromium.ts';
import { openPage, PATIENCE } from './open-page.ts';

const { running, scheduled, failed } = DEMO_BACKFILL_IDS;
const [livelyTransfer = ''] = DEMO_TRANSFER_IDS.lively;
const [completedTransfer = ''] = DEMO_TRANSFER_IDS.completed;

describe.skipIf(skipsWithoutChromium)("the demo's page", () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await launchChromium();
    return () => browser.close();
  });

  it('opens with the incomplete backfills of the team, its transfers and what they cost', async () => {
    const { page, sandbox, liveRow, transferRow } = await openPage({ browser, quick: false });
    const listed = sandbox.world.incomplete(DEMO_TEAM_ID).map((row) => row.transfer_backfill_id);
    expect(listed.length).toBeGreaterThan(10);
    for (const id of listed) expect(await liveRow(id).count()).toBe(1);
    expect(await liveRow(running).innerText()).toMatch(/RUNNING[^]*of [\d,]+ runs[^]*ends in \d+ h[^]*live/);
    expect(await page.locator('#live-state').innerText()).toMatch(
      /^Live, \d+ backfills, last event \d+ s ago$/,
    );

    expect(await transferRow(completedTransfer).innerText()).toMatch(
      /COMPLETED[^]*100 %[^]*ended at [^]*read \d+ s ago/,
    );
    expect(await transferRow(DEMO_TRANSFER_IDS.neverRun).innerText()).toMatch(
      /Never run[^]*No backfill so far/,
    );
    expect(await transferRow(DEMO_TRANSFER_IDS.huge).innerText()).toContain('9223372036854775807');

    expect(Number((await page.locator('#cost-left').innerText()).replace(',', ''))).toBeGreaterThan(4_900);
    expect(await page.locator('#cost-last').innerText()).toMatch(
      /^\d+ calls?, \d+ cache hits?, 0 stale reads$/,
    );
    expect(await page.locator('#cost-own').innerText()).toMatch(/^[1-9]\d* calls?$/);
    expect(await page.locator('h1').innerText()).toContain(DEMO_TEAM_ID);
  });

  it('counts what the stream costs among what all readers of the token spend', async () => {
    const { page, sandbox } = await openPage({ browser, quick: false });
    const spent = async (): Promise<number> =>
      Number.parseInt(await page.locator('#cost-spent').innerText(), 10);
    // The stream alone reads the list: the page's query is answered from it.
    await expect.poll(spent, PATIENCE).toBeGreaterThan(14);
    expect(await spent()).toBeLessThanOrEqual(sandbox.calls.count());
    expect(Number.parseInt(await page.locator('#cost-own').innerText(), 10)).toBeLessThan(await spent());
  });

  it('shows beneath each part the operation that it sends', async () => {
    const { page, liveRow } = await openPage({ browser });
    const sent: string[] = [];
    page.on('request', (request) => {
      const body = request.postData();
      if (body?.includes('"query"') === true) sent.push((JSON.parse(body) as { query: string }).query);
    });
    page.on('websocket', (socket) =>
      socket.on('framesent', ({ payload }) => {
        const { payload: operation } = JSON.parse(String(payload)) as { payload?: { query?: string } };
        if (operation?.query !== undefined) sent.push(operation.query);
      }),
    );
    await page.reload();
    await page.getByRole('button', { name: 'Start the backfill' }).click();
    await liveRow(scheduled)
      .getByRole('button', { name: /^Cancel/ })
      .click();
    await liveRow(scheduled)
      .getByRole('button', { name: /^Yes, cancel/ })
      .click();
    for (const [id, { text }] of Object.entries({
      'live-operation': LIVE,
      'transfers-operation': TRANSFERS,
      'start-operation': START,
      'cancel-operation': CANCEL,
    })) {
      const code = page.locator(`#${id}`);
      await page.locator('details', { has: code }).locator('summary').click();
      expect(await code.innerText()).toBe(text);
      await expect.poll(() => sent, PATIENCE).toContain(text);
    }
  });

  it('moves the rows, and shows one that leaves the list in its last state before it goes', async () => {
    const { page, sandbox, liveRow, transferRow, advance } = await openPage({ browser });
    const bar = liveRow(running).getByRole('progressbar', { name: 'Transfer 456801' });
    const before = await bar.getAttribute('aria-valuetext');
    const place = await bar.boundingBox();
    const lively = sandbox.world.latest(DEMO_TEAM_ID, livelyTransfer)?.transfer_backfill_id ?? '';
    // It is RUNNING then, and after another minute it is over.
    await advance(60_000);
    await expect.poll(() => liveRow(lively).innerText(), PATIENCE).toContain('RUNNING');
    await expect.poll(() => bar.getAttribute('aria-valuetext'), PATIENCE).not.toBe(before);
    expect((await bar.boundingBox())?.x).toBe(place?.x);
    expect((await bar.boundingBox())?.width).toBe(place?.width);

    await advance(45_000);
    await expect.poll(() => liveRow(lively).innerText(), PATIENCE).toMatch(/COMPLETED[^]*left the list/);
    expect(await liveRow(lively).getByRole('button').count()).toBe(0);
    await expect.poll(() => liveRow(lively).count(), PATIENCE).toBe(0);
    await advance(30_000);
    const next = sandbox.world.latest(DEMO_TEAM_ID, livelyTransfer)?.transfer_backfill_id ?? '';
    await expect.poll(() => liveRow(next).count(), PATIENCE).toBe(1);
    await expect.poll(() => transferRow(livelyTransfer).innerText(), PATIENCE).toContain(next);
    // The newest stands first.
    const [newest] = sandbox.world.incomplete(DEMO_TEAM_ID);
    await expect
      .poll(() => page.locator('#live-rows > li').first().innerText(), PATIENCE)
      .toContain(newest?.transfer_backfill_id);
  });

  it('tells why runs failed, where one asks', async () => {
    const { liveRow } = await openPage({ browser });
    const row = liveRow(failed);
    const why = row.getByRole('button', { name: '3 failed: why' });
    expect(await row.getByText('has expired').isVisible()).toBe(false);
    await why.click();
    expect(await why.getAttribute('aria-expanded')).toBe('true');
    expect(await row.getByText('2024-01-12').isVisible()).toBe(true);
    expect(await row.getByText('The connection to the data source has expired').isVisible()).toBe(true);
    await why.click();
    expect(await row.getByText('has expired').isVisible()).toBe(false);
  });

  it('starts a backfill, which both lists show, and says in the REST API’s words why another cannot start', async () => {
    const { page, transferRow, liveRow } = await openPage({ browser });
    const { neverRun } = DEMO_TRANSFER_IDS;
    await transferRow(neverRun)
      .getByRole('button', { name: `Start a backfill of transfer ${neverRun}` })
      .click();
    expect(await page.getByLabel('Transfer', { exact: true }).inputValue()).toBe(neverRun);
    await page.getByLabel('From', { exact: true }).fill('2025-03-01');
    await page.getByLabel('To', { exact: true }).fill('2025-03-31');
    await page.getByRole('button', { name: 'Start the backfill' }).click();
    await expect.poll(() => page.locator('#start-said').innerText(), PATIENCE).toMatch(/Backfill \d+ of/);
    const [id = ''] = /\d+/.exec(await page.locator('#start-said').innerText()) ?? [];
    await expect.poll(() => liveRow(id).innerText(), PATIENCE).toMatch(/CREATED[^]*2025-03-01 – 2025-03-31/);
    await expect.poll(() => transferRow(neverRun).innerText(), PATIENCE).toContain(id);
    expect(await page.locator('#announcer').innerText()).toContain(`Backfill ${id} has begun`);

    await page.getByRole('button', { name: 'Start the backfill' }).click();
    await expect
      .poll(() => page.locator('#start-said').innerText(), PATIENCE)
      .toMatch(/BAD_USER_INPUT The date range overlaps with the active backfill/);
  });

  it('cancels a backfill when that is confirmed, and shows it as CANCELLED before it goes', async () => {
    const { page, liveRow } = await openPage({ browser });
    const row = liveRow(scheduled);
    await row.getByRole('button', { name: `Cancel backfill ${scheduled}` }).click();
    await row.getByRole('button', { name: 'Keep' }).click();
    expect(await row.innerText()).toContain('SCHEDULED');
    await row.getByRole('button', { name: `Cancel backfill ${scheduled}` }).click();
    await row.getByRole('button', { name: 'Yes, cancel' }).click();
    await expect.poll(() => row.innerText(), PATIENCE).toMatch(/CANCELLED[^]*left the list/);
    expect(await page.locator('#announcer').innerText()).toBe(`Backfill ${scheduled} is cancelled.`);
    await expect.poll(() => row.count(), PATIENCE).toBe(0);
  });

  it.each([
    [409, 'CONFLICT', 'Its state has changed meanwhile'],
    [500, 'OUTCOME_UNKNOWN', 'Look at the latest backfill'],
    [403, 'FORBIDDEN', 'The token may not edit transfers'],
  ])('says by its code that the REST API answered a cancel with %i', async (status, code, advice) => {
    const { sandbox, liveRow } = await openPage({ browser });
    sandbox.faults.add({ when: { operation: 'updateBackfillStatus' }, answer: { kind: 'status', status } });
    const row = liveRow(running);
    await row.getByRole('button', { name: `Cancel backfill ${running}` }).click();
    await row.getByRole('button', { name: 'Yes, cancel' }).click();
    await expect.poll(() => row.innerText(), PATIENCE).toContain(code);
    expect(await row.innerText()).toContain(advice);
    expect(await row.innerText()).toContain('RUNNING');
  });

  it('offers each trouble of the sandbox, each with a sentence', async () => {
    const { page } = await openPage({ browser });
    const offered = await page
      .getByRole('group', { name: 'Make trouble' })
      .getByRole('radio', { name: /^.{4,20}$/ })
      .evaluateAll((radios) => radios.map((radio) => radio.getAttribute('value')));
    expect([...offered].sort()).toEqual([...TROUBLES].sort());
    for (const name of offered) {
      const about = await page.locator(`input[value="${name ?? ''}"]`).getAttribute('aria-describedby');
      expect((await page.locator(`#${about ?? ''}`).innerText()).length).toBeGreaterThan(40);
    }
  });

  it.each([
    ['failing', 'in trouble: UPSTREAM_', /stale, \d+ s old/],
    ['hanging', 'in trouble: UPSTREAM_TIMEOUT', /stale, \d+ s old/],
    ['out-of-quota', 'Out of quota: the gate is closed', /stale, \d+ s old/],
  ] as const)(
    'shows an upstream that is %s by stale rows, and its recovery',
    async (trouble, title, mark) => {
      const { choose, weather, liveRow, transferRow, advance } = await openPage({ browser });
      await choose(trouble);
      await expect.poll(() => weather.innerText(), PATIENCE).toContain(title);
      await expect.poll(() => liveRow(running).innerText(), PATIENCE).toMatch(mark);
      await expect.poll(() => transferRow(completedTransfer).innerText(), PATIENCE).toMatch(/COMPLETED/);
      // "No backfill" is never told stale: the row says what became of its read.
      const neverRun = transferRow(DEMO_TRANSFER_IDS.neverRun);
      await expect.poll(() => neverRun.getAttribute('data-kind'), PATIENCE).toBe('failed');
      await advance(60_000);
      await choose('well');
      await expect.poll(() => weather.innerText(), PATIENCE).toContain('All is well');
      await expect.poll(() => liveRow(running).innerText(), PATIENCE).toMatch(/\blive$/m);
      expect(await neverRun.innerText()).toContain('Never run');
    },
  );

  it('counts down to the end of a closed gate, and shows that no call is made', async () => {
    const { choose, weather, sandbox } = await openPage({ browser });
    await choose('out-of-quota');
    await expect.poll(() => weather.innerText(), PATIENCE).toMatch(/No call is made for another [123] s/);
    const calls = sandbox.calls.count();
    await expect.poll(() => weather.innerText(), PATIENCE).toMatch(/another [12] s/);
    expect(sandbox.calls.count()).toBe(calls);
  });

  it('shows the last known state of a slow upstream, and moves on in its pace', async () => {
    const { choose, transferRow, weather, liveRow, advance } = await openPage({ browser });
    await choose('slow');
    await expect.poll(() => transferRow('456801').innerText(), PATIENCE).toMatch(/stale, \d+ s old/);
    const before = await liveRow(running).innerText();
    await advance(60_000);
    await expect.poll(() => liveRow(running).innerText(), PATIENCE).not.toBe(before);
    await choose('well');
    await expect.poll(() => weather.innerText(), PATIENCE).toContain('All is well');
  });

  it.each([
    ['forbidden', 'FORBIDDEN'],
    ['unauthenticated', 'UNAUTHENTICATED'],
  ] as const)(
    'shows nothing any more once the upstream is %s, and all again after it',
    async (trouble, code) => {
      const { choose, page, weather, transferRow, liveRow } = await openPage({ browser });
      await choose(trouble);
      await expect.poll(() => weather.innerText(), PATIENCE).toContain(`Refused: ${code}`);
      await expect.poll(() => page.locator('#live-rows > li').count(), PATIENCE).toBe(0);
      expect(await page.locator('#live-empty').innerText()).toContain(code);
      await expect.poll(() => transferRow(completedTransfer).innerText(), PATIENCE).toContain(code);
      await choose('well');
      await expect.poll(() => weather.innerText(), { timeout: 30_000 }).toContain('All is well');
      await expect.poll(() => liveRow(running).count(), { timeout: 30_000 }).toBe(1);
      expect(await transferRow(completedTransfer).innerText()).toContain('COMPLETED');
    },
    60_000,
  );

  it('shows a row that cannot be read apart from one that never ran, and loses no other', async () => {
    const { choose, transferRow, page, weather } = await openPage({ browser });
    const rows = await page.locator('#transfer-rows > li').count();
    await choose('unreadable-row');
    await expect
      .poll(() => transferRow('456801').innerText(), PATIENCE)
      .toContain('UPSTREAM_INVALID_RESPONSE');
    expect(await weather.innerText()).toContain('1 row cannot be read: UPSTREAM_INVALID_RESPONSE');
    expect(await transferRow(DEMO_TRANSFER_IDS.neverRun).innerText()).toContain('Never run');
    expect(await page.locator('#transfer-rows > [data-kind="failed"]').count()).toBe(1);
    expect(await page.locator('#transfer-rows > li').count()).toBe(rows);
    await choose('well');
    await expect.poll(() => transferRow('456801').innerText(), PATIENCE).toContain('RUNNING');
  });

  it('has the chosen trouble after a reload, and in every tab', async () => {
    const { choose, page, url, sandbox } = await openPage({ browser });
    const slow = '#trouble input[value="slow"]';
    const other = await page.context().newPage();
    await other.goto(url);
    await expect.poll(() => other.locator('#trouble input[value="well"]').isChecked(), PATIENCE).toBe(true);
    await choose('slow');
    await expect.poll(() => other.locator(slow).isChecked(), PATIENCE).toBe(true);
    await page.reload();
    await expect.poll(() => page.locator(slow).isChecked(), PATIENCE).toBe(true);
    sandbox.trouble.name = 'well';
    await expect.poll(() => page.locator(slow).isChecked(), PATIENCE).toBe(false);
  });

  it('goes on through a restart of the gateway, and tells what became of rows that left meanwhile', async () => {
    const { stopGateway, page, liveRow, weather, sandbox } = await openPage({
      browser,
      expected: /WebSocket|ERR_CONNECTION_REFUSED|ERR_EMPTY_RESPONSE|ERR_CONNECTION_RESET/,
    });
    const restart = await stopGateway();
    await expect.poll(() => weather.innerText(), PATIENCE).toContain('The gateway does not answer');
    expect(await liveRow(running).innerText()).toContain('not live');
    sandbox.world.cancelBackfill(DEMO_TEAM_ID, scheduled);
    await restart();
    await expect.poll(() => liveRow(scheduled).innerText(), PATIENCE).toMatch(/CANCELLED[^]*left the list/);
    await expect.poll(() => page.locator('#live-state').innerText(), PATIENCE).toMatch(/^Live/);
    await expect.poll(() => weather.innerText(), PATIENCE).toContain('All is well');
  });
});
