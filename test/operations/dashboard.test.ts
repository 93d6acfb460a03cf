import { describe, expect, it } from 'vitest';
import { startGroup } from '../support/group.ts';
import {
  DASHBOARD,
  metricsIn,
  type Panel,
  PANELS,
  QUERIES,
  README,
  RULES,
} from '../support/operations-files.ts';

const DATASOURCE = { type: 'prometheus', uid: '${datasource}' };
const SELECTION = 'job=~"$job", instance=~"$instance"';

function overlaps({ gridPos: a }: Panel, { gridPos: b }: Panel): boolean {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

describe('the dashboard', () => {
  it('goes by the questions of an operator', () => {
    expect(DASHBOARD.panels.filter(({ type }) => type === 'row').map(({ title }) => title)).toEqual([
      'Is it well?',
      'Who spends the quota?',
      'How fresh is what people see?',
      'What is refused?',
      'Streams',
      'What do replicas share?',
      'Process',
    ]);
  });

  it('collides with nothing where it is imported: it has no id of its own, and each panel has one', () => {
    const { id, panels } = DASHBOARD;
    expect(id).toBeNull();
    expect(new Set(panels.map((panel) => panel.id)).size).toBe(panels.length);
    for (const panel of panels) {
      expect(panel.gridPos.x + panel.gridPos.w).toBeLessThanOrEqual(24);
      expect(panels.filter((other) => overlaps(panel, other)).map(({ title }) => title)).toEqual([
        panel.title,
      ]);
    }
  });

  it('asks the Prometheus that is chosen at its top, everywhere', () => {
    const [chosen, ...others] = DASHBOARD.templating.list;
    expect(chosen).toMatchObject({ name: 'datasource', type: 'datasource', query: 'prometheus' });
    const asking = [...PANELS, ...PANELS.flatMap(({ targets = [] }) => targets), ...others];
    for (const { datasource } of [...asking, ...DASHBOARD.annotations.list]) {
      expect(datasource).toEqual(DATASOURCE);
    }
  });

  it('says of each panel what it shows and in which unit, and has a query for it', () => {
    for (const { title, description, fieldConfig, targets = [] } of PANELS) {
      expect([title, fieldConfig?.defaults.unit]).toEqual([title, expect.stringMatching(/./)]);
      expect([title, description]).toEqual([title, expect.stringMatching(/\.$/)]);
      expect(targets).not.toEqual([]);
      expect(new Set(targets.map(({ refId }) => refId)).size).toBe(targets.length);
    }
  });

  it('shows the chosen job and instances alone', () => {
    const selector = /(?<![\w:])(?:(?:backfill_gateway|process|nodejs)_\w+|up)\b(?:\{[^}]*\})?/g;
    for (const { expr } of QUERIES) {
      for (const [selected] of expr.matchAll(selector)) expect(selected).toContain(SELECTION);
    }
  });

  it('sums no value over instances that each knows for itself, or that is the same on all replicas', () => {
    const known = /backfill_gateway_(?:quota_|upstream_circuit_open|gates_closed\{|replicas|shared_store_up)/;
    const shown = QUERIES.filter(({ expr }) => known.test(expr));
    expect(shown.length).toBeGreaterThan(4);
    for (const { expr } of shown) expect(expr).not.toMatch(/\b(?:sum|avg|count)\b/);
  });

  it('has the panels that the runbook names', () => {
    const [, runbook = ''] = README.split('\n## Runbook\n');
    const named = [...runbook.replaceAll('\n', ' ').matchAll(/"([^"]+)"/g)].map(([, title]) => title);
    const titles = PANELS.map(({ title }) => title);
    expect(named.length).toBeGreaterThan(20);
    expect(named.filter((title = '') => !titles.includes(title))).toEqual([]);
  });
});

it('every metric of the dashboard and of the rules is exposed by the gateway', async () => {
  const {
    replicas: [replica],
  } = await startGroup(1);
  if (replica === undefined) throw new Error('there is one');
  await replica.query('{ __typename }');
  const exposition = await (await fetch(`${replica.origin}/metrics`)).text();
  const exposed = new Set([...exposition.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name));
  const used = [...QUERIES, ...RULES].flatMap(({ expr }) => metricsIn(expr));
  const listed = DASHBOARD.templating.list.flatMap(({ definition = '' }) => metricsIn(definition));
  expect(used.length).toBeGreaterThan(60);
  expect([...used, ...listed].filter((name) => !exposed.has(name))).toEqual([]);
});
