import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { parse } from 'yaml';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config.ts';
import { createLog } from '../../src/log.ts';
import { type RunningGateway, startGateway } from '../../src/running-gateway.ts';
import { labelsIn, QUERIES, ROOM, RULES, setUp } from '../support/operations-files.ts';
import {
  type Labels,
  type Prometheus,
  type Sample,
  skipsWithoutPrometheus,
  startPrometheus,
} from '../support/prometheus.ts';
import { createMemoryWorld } from '../upstream/replicas/memory-store.ts';
import { startTraffic } from './traffic.ts';

const JOB = 'backfill-gateway';
/** Scrapes and evaluations come each second, and a busy machine takes its time. */
const PATIENT = { timeout: 10_000, interval: 200 };

/** The expression, whose comparisons tell 0 or 1 of each series instead of leaving out those that do not hold. */
function withoutFilters(expr: string): string {
  return expr.replace(/ (==|>=|>) /g, ' $1 bool ');
}

/** What Grafana does with its variables. */
function asGrafana(expr: string): string {
  return expr.replaceAll('$job', JOB).replaceAll('$instance', '.*').replaceAll('$__rate_interval', '10s');
}

describe.skipIf(skipsWithoutPrometheus)(
  'Prometheus, which scrapes two gateways under load and faults',
  () => {
    const ends: (() => Promise<void>)[] = [];
    let gateways: readonly RunningGateway[];
    let prometheus: Prometheus;

    beforeAll(async () => {
      const traffic = await startTraffic();
      ends.push(() => traffic.sandbox.close());
      gateways = await Promise.all([start(traffic.sandbox.url), start(traffic.sandbox.url)]);
      ends.push(...gateways.map((gateway) => () => gateway.stop()));
      prometheus = await startPrometheus(scrapingConfig(gateways.map(({ port }) => `127.0.0.1:${port}`)));
      ends.push(() => prometheus.stop());
      await scraped(1);
      await Promise.all(gateways.map(traffic.ordinary));
      await scraped(1);
      traffic.addFaults();
      await Promise.all(gateways.map(traffic.troubled));
      await scraped(2);
    }, 60_000);

    afterAll(async () => {
      for (const end of ends.toReversed()) await end();
    });

    /** Waits until each gateway was scraped so many times more. */
    async function scraped(times: number): Promise<void> {
      const scrapes = async (): Promise<number> =>
        (await prometheus.query(`min(count_over_time(up{job="${JOB}"}[5m]))`))[0]?.value ?? 0;
      const enough = (await scrapes()) + times;
      await vi.waitFor(async () => expect(await scrapes()).toBeGreaterThanOrEqual(enough), {
        timeout: 15_000,
      });
    }

    it('gets a series for every query of the dashboard, with the labels that its text wants', async () => {
      const empty = async (): Promise<readonly string[]> => {
        const found = QUERIES.map(async ({ of, expr, text }) => {
          const samples = await prometheus.query(withoutFilters(asGrafana(expr)));
          const isShown = samples.some(({ value }) => Number.isFinite(value)) && haveLabels(samples, text);
          return isShown ? [] : [`${of}: ${expr}`];
        });
        return (await Promise.all(found)).flat();
      };
      await expect.poll(empty, PATIENT).toEqual([]);
    });

    it('gets a series for every rule, with the labels that its summary wants, and finds no fault with any', async () => {
      const rules = await prometheus.rules();
      expect(rules.map(({ name }) => name)).toEqual(
        RULES.map((rule) => ('alert' in rule ? rule.alert : rule.record)),
      );
      expect(rules.filter(({ health }) => health !== 'ok')).toEqual([]);
      const empty = await Promise.all(
        RULES.map(async (rule) => {
          const samples = await prometheus.query(withoutFilters(rule.expr));
          const text = 'alert' in rule ? (rule.annotations['summary'] ?? '') : '';
          return samples.length > 0 && haveLabels(samples, text) ? [] : [rule.expr];
        }),
      );
      expect(empty.flat()).toEqual([]);
    });

    it('shows each gateway by itself where each knows for itself', async () => {
      for (const name of ['Calls left A', 'Stretch A']) {
        const query = QUERIES.find(({ of }) => of === name);
        const samples = await prometheus.query(asGrafana(query?.expr ?? ''));
        expect(samples.map(({ labels }) => labels['instance']).toSorted()).toEqual(
          gateways.map(({ port }) => `127.0.0.1:${port}`).toSorted(),
        );
      }
    });

    it('alerts on the faults, or will if they last', async () => {
      const active = async (): Promise<readonly string[]> =>
        (await prometheus.rules())
          .filter(({ state = 'inactive' }) => state !== 'inactive')
          .map(({ name }) => name);
      await expect
        .poll(active, PATIENT)
        .toEqual(
          expect.arrayContaining([
            'BackfillGatewayUpstreamFails',
            'BackfillGatewayCircuitOpen',
            'BackfillGatewayStaleServed',
            'BackfillGatewaySharesRefused',
          ]),
        );
    });

    it('knows every series that the tests of the alerts are made of', async () => {
      const recorded = new Set((await prometheus.series(`{job="${JOB}"}`)).map(named));
      const used = seriesOfTests();
      expect(used.length).toBeGreaterThan(60);
      expect([...new Set(used.map(named))].filter((series) => !recorded.has(series))).toEqual([]);
    });
  },
);

function haveLabels(samples: readonly Sample[], text: string): boolean {
  return samples.every(({ labels }) => labelsIn(text).every((label) => label in labels));
}

function start(url: string): Promise<RunningGateway> {
  return startGateway({
    config: loadConfig({
      PORT: '0',
      HOST: '127.0.0.1',
      SUPERMETRICS_API_URL: url,
      CACHE_TTL_MS: '50',
      SUBSCRIPTION_POLL_MS: '100',
      UPSTREAM_TIMEOUT_MS: '1000',
      SHUTDOWN_GRACE_MS: '100',
    }),
    log: createLog('silent'),
    limits: { totals: { underWay: 16 } },
    // Each has one of its own, so that each is in the same trouble.
    shared: {
      store: createMemoryWorld(systemClock, randomUUID).storeOf('replica'),
      secrets: ['a secret of thirty-two characters'],
      timeoutMs: 50,
      isThere: true,
    },
  });
}

/** The configuration of the README, a scrape each second. */
function scrapingConfig(targets: readonly string[]): unknown {
  const { global, scrape_configs } = setUp();
  return {
    global: { ...global, scrape_interval: '1s', evaluation_interval: '1s' },
    rule_files: [`${ROOM}alerts.yml`],
    scrape_configs: scrape_configs.map((job) => ({ ...job, static_configs: [{ targets }] })),
  };
}

/** The series of the gateway in alerts.test.yml. */
function seriesOfTests(): readonly Labels[] {
  interface TestFile {
    readonly tests: readonly { readonly input_series: readonly { readonly series: string }[] }[];
  }
  const { tests } = parse(readFileSync(new URL('alerts.test.yml', import.meta.url), 'utf8')) as TestFile;
  return tests
    .flatMap(({ input_series }) => input_series)
    .map(({ series }) => {
      const [, name = '', text = ''] = /^(\w+)\{(.*)\}$/.exec(series) ?? [];
      const labels = [...text.matchAll(/(\w+)="([^"]*)"/g)].map(([, label = '', value = '']) => [
        label,
        value,
      ]);
      return { ...(Object.fromEntries(labels) as Labels), __name__: name };
    })
    .filter((labels: Labels) => labels['job'] === JOB);
}

/** A series without what is another one at each place and in each version. */
function named(labels: Labels): string {
  const own = Object.entries(labels).filter(([label]) => !['instance', 'version', 'node'].includes(label));
  return JSON.stringify(own.toSorted(([a], [b]) => a.localeCompare(b)));
}
