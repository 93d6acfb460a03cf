import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

/** What `src/operations/` gives to operators, as their tools read it. */

export const ROOM = fileURLToPath(new URL('../../src/operations/', import.meta.url));
export const README = readFileSync(`${ROOM}README.md`, 'utf8');

export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface RecordingRule {
  readonly record: string;
  readonly expr: string;
}

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly (Alert | RecordingRule)[] }[];
}

export const RULES = (parse(readFileSync(`${ROOM}alerts.yml`, 'utf8')) as RuleFile).groups.flatMap(
  ({ rules }) => rules,
);
export const ALERTS = RULES.filter((rule) => 'alert' in rule);

export interface Target {
  readonly refId: string;
  readonly datasource: unknown;
  readonly expr: string;
}

export interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly datasource?: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } };
  readonly targets?: readonly Target[];
}

export interface Dashboard {
  readonly id: null;
  readonly uid: string;
  readonly panels: readonly Panel[];
  readonly annotations: { readonly list: readonly { readonly datasource: unknown; readonly expr: string }[] };
  readonly templating: {
    readonly list: readonly {
      readonly name: string;
      readonly type: string;
      readonly datasource?: unknown;
      readonly definition?: string;
    }[];
  };
}

export const DASHBOARD = JSON.parse(readFileSync(`${ROOM}dashboard.json`, 'utf8')) as Dashboard;
/** Panels that show something; the others are headings. */
export const PANELS = DASHBOARD.panels.filter(({ type }) => type !== 'row');

/** Every query of a panel or an annotation, with the variables that Grafana would fill in. */
export const QUERIES = [
  ...PANELS.flatMap(({ title, targets = [] }) =>
    targets.map(({ refId, expr }) => ({ of: `${title} ${refId}`, expr })),
  ),
  ...DASHBOARD.annotations.list.map(({ expr }) => ({ of: 'starts', expr })),
];

/** The names of our metrics and of the process' in an expression, without what Prometheus adds to a histogram's. */
export function metricsIn(expression: string): readonly string[] {
  const names = expression.match(/(?<![\w:])(?:backfill_gateway|process|nodejs)_\w+/g) ?? [];
  return names.map((name) => name.replace(/_(?:bucket|count|sum)$/, ''));
}

export interface SetUp {
  readonly global: Readonly<Record<string, string>>;
  readonly rule_files: readonly string[];
  readonly scrape_configs: readonly {
    readonly job_name: string;
    readonly static_configs: readonly { readonly targets: readonly string[] }[];
  }[];
}

/** The configuration of Prometheus in the README. */
export function setUp(): SetUp {
  return parse(/```yaml\n([^]*?)```/.exec(README)?.[1] ?? '') as SetUp;
}
