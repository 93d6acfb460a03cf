import type { Metrics } from '../metrics.ts';
import type { Partitions } from './cache/partitions.ts';
import type { Governor } from './quota/governor.ts';
import type { RetryAfterGate } from './quota/retry-after-gate.ts';
import type { ResilientHttp } from './transport/resilience.ts';

export interface Exposed {
  readonly governor: Pick<Governor, 'survey'>;
  readonly http: Pick<ResilientHttp, 'load'>;
  readonly gate: Pick<RetryAfterGate, 'closed'>;
  readonly partitions: Pick<Partitions<object>, 'size'>;
}

/** Exposes how things stand here at the moment. What happens is counted where it happens. */
export function exposeUpstream(metrics: Metrics, { governor, http, gate, partitions }: Exposed): void {
  const quotas = metrics.reading(governor.survey);
  const cache = metrics.reading(partitions.size);
  metrics.gauge('upstream_calls_running', 'Calls to the REST API in flight.', () => http.load().running);
  metrics.gauge(
    'upstream_calls_waiting',
    'Calls to the REST API that wait for a slot.',
    () => http.load().waiting,
  );
  metrics.gauge('upstream_circuit_open', '1 while the circuit to the REST API is open, else 0.', () =>
    http.load().circuitClosed ? 0 : 1,
  );
  metrics.gauge('gates_closed', 'Credentials whose retry-after gate is closed.', () => gate.closed);
  metrics.gaugeBy(
    'level',
    'quota_credentials',
    'Credentials seen lately, by how much of their hourly quota is left.',
    () => quotas().credentials,
  );
  metrics.gauge(
    'quota_remaining_least',
    'Calls left in the hour of the credential that has least, as far as is known here.',
    () => quotas().leastRemaining,
  );
  metrics.gauge(
    'quota_stretch_greatest',
    'The greatest factor by which lifetimes and poll intervals are stretched.',
    () => quotas().greatestStretch,
  );
  metrics.gauge('cache_entries', 'Values kept.', () => cache().entries);
  metrics.gauge('cache_bytes', 'Memory that the values kept take, as estimated.', () => cache().bytes);
  metrics.total(
    'cache_evictions_total',
    'Values that were dropped to make room for others.',
    () => cache().evictions,
  );
}
