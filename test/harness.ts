import { expect, onTestFinished } from 'vitest';
import { loadConfig } from '../src/config.ts';
import type { ServerLimits } from '../src/gateway.ts';
import { type GatewayErrorExtensions, isErrorCode } from '../src/graphql/error-codes.ts';
import { createLog } from '../src/log.ts';
import type { PlanningAt } from '../src/server/front/front.ts';
import { type RunningGateway, startGateway } from '../src/running-gateway.ts';
import { type Sandbox, startSandbox } from '../src/sandbox/server.ts';
import { createWorld, type World } from '../src/sandbox/world/world.ts';
import { createManualClock, type ManualClock } from './support/manual-clock.ts';

export { createManualClock, type ManualClock };

export const TOKEN = 'sandbox-full';
export const TEAM = '1';

export interface GraphqlError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions: GatewayErrorExtensions;
}

export interface Result {
  readonly status: number;
  readonly headers: Headers;
  readonly data: unknown;
  readonly errors: readonly GraphqlError[] | undefined;
  readonly body: string;
}

export interface QueryOptions {
  readonly variables?: Readonly<Record<string, unknown>>;
  readonly operationName?: string;
  /** Null sends no Authorization header. */
  readonly token?: string | null;
  /** Null sends no X-Team-Id header. */
  readonly team?: string | null;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

export interface Stack {
  /** The origin of the gateway, such as `http://127.0.0.1:40000`. */
  readonly origin: string;
  readonly sandbox: Sandbox;
  readonly world: World;
  readonly clock: ManualClock;
  /** Every line logged so far, parsed. */
  readonly logLines: readonly Readonly<Record<string, unknown>>[];
  query(query: string, options?: QueryOptions): Promise<Result>;
  /** The line that SIGUSR2 writes, parsed. */
  state(): Readonly<Record<string, unknown>>;
  /**
   * Ends the gateway as SIGTERM does, and starts another on the same port, which knows nothing.
   * @param whileAway runs between the two
   */
  restart(whileAway?: () => Promise<void>): Promise<void>;
}

/** The tests send most texts once, so the front is used at once, or in a run of its own not at all. */
const PLANNING_AT: PlanningAt = process.env['TEST_WITHOUT_FRONT'] === '1' ? 'never' : 'first use';

/** What the process would say of itself. */
const PROCESS = {
  node: '20.19.0',
  uptimeSeconds: 1,
  memory: { resident: 5, heapUsed: 2, heapTotal: 3, heapLimit: 9, external: 1 },
};

/**
 * The real gateway over the sandbox, each on a real port, on a clock that the test moves. Everything ends with the test,
 * which fails if a fault that it scripted was never used.
 * @param planningAt when the front answers
 */
export async function startStack(
  env: Readonly<Record<string, string>> = {},
  limits: ServerLimits = {},
  planningAt = PLANNING_AT,
): Promise<Stack> {
  const clock = createManualClock();
  const world = createWorld({ now: () => clock.now() });
  const sandbox = await startSandbox({ world, hourlyQuota: Infinity });
  const logLines: Record<string, unknown>[] = [];
  const config = loadConfig({ PORT: '0', HOST: '127.0.0.1', SUPERMETRICS_API_URL: sandbox.url, ...env });
  const log = createLog('debug', {
    write: (line) => void logLines.push(JSON.parse(line) as Record<string, unknown>),
  });
  const start = (port: number): Promise<RunningGateway> =>
    startGateway({
      config: { ...config, PORT: port, SHUTDOWN_GRACE_MS: 1_000 },
      log,
      clock,
      limits,
      planningAt,
    });
  let gateway = await start(config.PORT);
  const { port } = gateway;
  const origin = `http://127.0.0.1:${port}`;

  onTestFinished(async () => {
    await gateway.stop();
    await sandbox.close();
    expect(sandbox.faults.pending()).toEqual([]);
  });

  return {
    origin,
    sandbox,
    world,
    clock,
    logLines,
    query: (query, options = {}) => post(origin, query, options),
    state() {
      gateway.reportState(PROCESS);
      return logLines.at(-1) ?? {};
    },
    async restart(whileAway) {
      await gateway.stop();
      await whileAway?.();
      gateway = await start(port);
    },
  };
}

export async function post(origin: string, query: string, options: QueryOptions): Promise<Result> {
  const { variables, operationName, token = TOKEN, team = TEAM, headers, signal } = options;
  const response = await fetch(`${origin}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(team === null ? {} : { 'x-team-id': team }),
      ...headers,
    },
    body: JSON.stringify({ query, variables, operationName }),
    ...(signal === undefined ? {} : { signal }),
  });
  const body = await response.text();
  const { data, errors } = JSON.parse(body) as Pick<Result, 'data' | 'errors'>;
  // No error ever has a code that is not in the table.
  for (const { extensions } of errors ?? []) expect(extensions.code).toSatisfy(isErrorCode);
  return { status: response.status, headers: response.headers, data, errors, body };
}

/** The error codes of a result or of an event of a stream, in their order. */
export function codesOf(
  from: { readonly errors?: readonly GraphqlError[] | undefined } | undefined,
): readonly string[] {
  return (from?.errors ?? []).map(({ extensions }) => extensions.code);
}

/** A promise that the test fulfils by `open`. */
export function createLatch(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}
