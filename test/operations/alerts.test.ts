import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { parse } from 'yaml';
import { ALERTS, README, ROOM, RULES, setUp } from '../support/operations-files.ts';
import { promtool, skipsWithoutPrometheus } from '../support/prometheus.ts';

describe.skipIf(skipsWithoutPrometheus)('the rules, in the eyes of promtool', () => {
  it('are well formed', async () => {
    expect(await promtool('check', 'rules', `${ROOM}alerts.yml`)).toContain(`${RULES.length} rules found`);
  });

  it('fire and end, each alert in its own case, and none does in an ordinary hour', async () => {
    await promtool('test', 'rules', fileURLToPath(new URL('alerts.test.yml', import.meta.url)));
  });

  it('are found by the configuration of the README', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'prometheus.yml');
    writeFileSync(file, JSON.stringify({ ...setUp(), rule_files: [`${ROOM}alerts.yml`] }));
    expect(await promtool('check', 'config', file)).toContain(`${RULES.length} rules found`);
  });
});

describe('an alert', () => {
  interface TestFile {
    readonly tests: readonly {
      readonly alert_rule_test?: readonly {
        readonly alertname: string;
        readonly exp_alerts: readonly unknown[];
      }[];
    }[];
  }
  const tests = parse(readFileSync(new URL('alerts.test.yml', import.meta.url), 'utf8')) as TestFile;

  it.each(ALERTS)('$alert is tested before it fires, while it fires and after it has ended', ({ alert }) => {
    const cases = tests.tests.map(({ alert_rule_test: moments = [] }) =>
      moments.filter(({ alertname }) => alertname === alert).map(({ exp_alerts }) => exp_alerts.length),
    );
    expect(cases).toContainEqual([0, 1, 0]);
  });

  it.each(ALERTS)('$alert names its severity, and keeps the jobs apart', ({ labels, expr }) => {
    expect(labels['severity']).toMatch(/^(?:critical|warning)$/);
    for (const [aggregation] of expr.matchAll(/\b(?:sum|max|min|avg|count)\b(?: by \([^)]*\))?(?=\s*\()/g)) {
      expect(aggregation).toMatch(/by \(job\b/);
    }
  });

  it.each(ALERTS)('$alert has its row and its paragraph in the README, where its link leads', (alert) => {
    const anchor = alert.alert.toLowerCase();
    expect(Object.keys(alert.annotations)).toEqual(['summary', 'runbook_url']);
    expect(alert.annotations['runbook_url']).toBe(`src/operations/README.md#${anchor}`);
    expect(README).toContain(`\n| [${alert.alert}](#${anchor}) | ${String(alert.labels['severity'])} | `);
    // What people see, what to look at, what to do.
    const [, paragraph = ''] = README.split(`\n### ${alert.alert}\n`);
    const [own = ''] = paragraph.split('\n### ');
    expect(own).toMatch(/\n\*\*People see\*\* [^]+\n\*\*Look at\*\* [^]+\n\*\*Do:\*\* [^]+/);
  });

  it('has its paragraph in the order of the rules, and no paragraph is without its alert', () => {
    const headings = [...README.matchAll(/^### (.*)$/gm)].map(([, heading]) => heading);
    expect(headings).toEqual(ALERTS.map(({ alert }) => alert));
  });
});
