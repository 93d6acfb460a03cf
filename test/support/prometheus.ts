import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { vi } from 'vitest';
import { freePort } from './free-port.ts';

const PATH = process.env['PROMETHEUS_PATH'] ?? '/usr/bin/prometheus';
const MISSING = `there is no Prometheus at ${PATH}; install Debian's package prometheus, or name one in PROMETHEUS_PATH`;

/** On a developer's machine a missing Prometheus skips what needs one; in CI it fails, or nobody would ever know. */
export const skipsWithoutPrometheus = !existsSync(PATH) && !process.env['CI'];
if (skipsWithoutPrometheus) console.warn(`Tests with Prometheus are skipped: ${MISSING}`);

export type Labels = Readonly<Record<string, string>>;

/** A series with its value at the moment of the query. */
export interface Sample {
  readonly labels: Labels;
  readonly value: number;
}

export interface Prometheus {
  /** @throws where Prometheus refuses the expression */
  query(expression: string): Promise<readonly Sample[]>;
  /** The labels of all series that the selector selects, `__name__` among them. */
  series(selector: string): Promise<readonly Labels[]>;
  rules(): Promise<readonly Rule[]>;
  stop(): Promise<void>;
}

export interface Rule {
  readonly name: string;
  readonly type: 'alerting' | 'recording';
  readonly query: string;
  readonly health: string;
  readonly lastError?: string;
  /** Of an alert. */
  readonly state?: 'inactive' | 'pending' | 'firing';
}

/**
 * Debian's Prometheus with a data folder of its own.
 * @param config as in `prometheus.yml`
 */
export async function startPrometheus(config: unknown): Promise<Prometheus> {
  if (!existsSync(PATH)) throw new Error(MISSING);
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'));
  const file = join(folder, 'prometheus.yml');
  // JSON is YAML.
  writeFileSync(file, JSON.stringify(config));
  const origin = `http://127.0.0.1:${await freePort()}`;
  const child = spawn(
    PATH,
    [
      `--config.file=${file}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=${new URL(origin).host}`,
      '--log.level=error',
    ],
    { stdio: ['ignore', 'ignore', 'inherit'] },
  );
  const ended = once(child, 'close');

  async function ask<Data>(path: string, parameters: Readonly<Record<string, string>> = {}): Promise<Data> {
    const response = await fetch(`${origin}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const body = (await response.json()) as { readonly data: Data; readonly error?: string };
    if (body.error !== undefined) throw new Error(`${body.error}, asked ${JSON.stringify(parameters)}`);
    return body.data;
  }

  async function stop(): Promise<void> {
    child.kill();
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }

  const isReady = async (): Promise<void> => {
    const { status } = await fetch(`${origin}/-/ready`);
    if (status !== 200) throw new Error(`Prometheus is not ready: it answers ${status}`);
  };
  await vi.waitFor(isReady, { timeout: 20_000 }).catch(async (error: unknown) => {
    await stop();
    throw error;
  });

  return {
    async query(expression) {
      interface Vector {
        readonly result: readonly { readonly metric: Labels; readonly value: readonly [number, string] }[];
      }
      const { result } = await ask<Vector>('query', { query: expression });
      return result.map(({ metric, value: [, value] }) => ({ labels: metric, value: Number(value) }));
    },
    series: (selector) => ask<readonly Labels[]>('series', { 'match[]': selector }),
    async rules() {
      interface Groups {
        readonly groups: readonly { readonly rules: readonly Rule[] }[];
      }
      return (await ask<Groups>('rules')).groups.flatMap(({ rules }) => rules);
    },
    stop,
  };
}
