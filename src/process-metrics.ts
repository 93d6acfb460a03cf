import { collectDefaultMetrics, Gauge, type Registry } from 'prom-client';
import { packageVersion } from './package-files.ts';

/** Default metrics of prom-client whose names say that they are counters, which they are not. promtool refuses them. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

/**
 * Exposes how the process does, and which gateway it is, on which Node.js.
 * @param prefix of the metrics that are the gateway's own
 */
export function exposeProcess(registry: Registry, prefix: string): void {
  collectDefaultMetrics({ register: registry });
  for (const name of MISNAMED) registry.removeSingleMetric(name);
  const version = packageVersion();
  new Gauge({
    name: `${prefix}build_info`,
    help: 'Always 1. The versions of the gateway and of Node.js.',
    labelNames: ['version', 'node'],
    registers: [registry],
    async collect() {
      // prom-client has asked the process already.
      const [told] = (await registry.getSingleMetric('nodejs_version_info')?.get())?.values ?? [];
      this.set({ version, node: String(told?.labels['version']) }, 1);
    },
  });
}
