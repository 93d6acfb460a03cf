import { describe, expect, it, onTestFinished } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { loadConfig } from '../../../src/config.ts';
import { createLog } from '../../../src/log.ts';
import { startGateway } from '../../../src/running-gateway.ts';
import { SETTINGS } from '../../../src/settings.ts';
import { recipe } from '../../support/recipes.ts';

interface Probe {
  readonly httpGet: { readonly path: string; readonly port: string };
}
type Labels = Readonly<Record<string, string>>;
interface Deployment {
  readonly spec: {
    readonly replicas: number;
    readonly selector: { readonly matchLabels: Labels };
    readonly template: {
      readonly metadata: { readonly labels: Labels };
      readonly spec: {
        readonly terminationGracePeriodSeconds: number;
        readonly containers: readonly [Container];
      };
    };
  };
}
interface Container {
  readonly ports: readonly { readonly name: string; readonly containerPort: number }[];
  readonly env: readonly { readonly name: string; readonly value: unknown }[];
  readonly resources: { readonly limits: { readonly memory: string } };
  readonly readinessProbe: Probe;
  readonly livenessProbe: Probe;
}
interface Service {
  readonly spec: { readonly selector: Labels; readonly ports: readonly { readonly targetPort: string }[] };
}

const documents = parseAllDocuments(recipe('kubernetes.yaml'));
const [deployment, service] = documents.map((document) => document.toJS() as unknown) as [
  Deployment,
  Service,
];
const { replicas, selector, template } = deployment.spec;
const [container] = template.spec.containers;
const environment = Object.fromEntries(container.env.map(({ name, value }) => [name, value])) as Readonly<
  Record<string, string>
>;
const { NODE_ENV, NODE_OPTIONS, ...settings } = environment;

describe('the deployment of Kubernetes', () => {
  it('is YAML without faults, and each value of the environment is a text', () => {
    expect(documents.flatMap(({ errors, warnings }) => [...errors, ...warnings])).toEqual([]);
    expect(documents).toHaveLength(3);
    expect(container.env.filter(({ value }) => typeof value !== 'string')).toEqual([]);
  });

  it('sets nothing but settings that there are, with a part of the hour for each replica', () => {
    expect(Object.keys(SETTINGS.shape)).toEqual(expect.arrayContaining(Object.keys(settings)));
    expect(loadConfig({ ...settings, NODE_ENV }).REPLICAS).toBe(replicas);
  });

  it('kills a gateway no sooner than that ends by itself', () => {
    const { DRAIN_DELAY_MS, SHUTDOWN_GRACE_MS } = loadConfig(settings);
    const graceMs = 1_000 * template.spec.terminationGracePeriodSeconds;
    expect(graceMs).toBeGreaterThanOrEqual(DRAIN_DELAY_MS + SHUTDOWN_GRACE_MS + 2_000);
  });

  it('leaves memory beside the heap', () => {
    const heap = Number(/^--max-old-space-size=(\d+)$/.exec(NODE_OPTIONS ?? '')?.[1]);
    expect(container.resources.limits.memory).toBe('1Gi');
    expect(heap).toBeLessThanOrEqual(1024 - 256);
  });

  it('probes what is there, at the ports of the container', async () => {
    const config = loadConfig({ ...settings, NODE_ENV });
    const log = createLog('silent', { write: () => undefined });
    const gateway = await startGateway({
      config: { ...config, PORT: 0, METRICS_PORT: 0, DRAIN_DELAY_MS: 0 },
      log,
    });
    onTestFinished(() => gateway.stop());
    const ports = new Map(container.ports.map(({ name, containerPort }) => [name, containerPort]));
    expect(ports.get('http')).toBe(config.PORT);
    expect(ports.get('metrics')).toBe(config.METRICS_PORT);
    for (const { httpGet } of [container.readinessProbe, container.livenessProbe]) {
      expect(httpGet.port).toBe('http');
      expect((await fetch(`http://127.0.0.1:${gateway.port}${httpGet.path}`)).status).toBe(200);
    }
    expect(service.spec.ports.map(({ targetPort }) => targetPort)).toEqual([...ports.keys()]);
  });

  it('is found by its own selector and by the service', () => {
    expect(selector.matchLabels).toEqual(template.metadata.labels);
    expect(service.spec.selector).toEqual(template.metadata.labels);
  });
});
