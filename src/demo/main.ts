import type { Command, Options } from '../command-line.ts';
import { ConfigError, loadConfig, settingWarnings } from '../config.ts';
import { demoPage } from './demo-page.ts';
import { demoGraphiql } from './operations.ts';
import { ROUTER_PORT, startFederatedWith } from './start-federated.ts';
import { replicasIn, startReplicas } from './start-replicas.ts';
import { DEFAULT_HOURLY_QUOTA, givenIn, isPortTaken, startSandboxBy } from './start-sandbox.ts';
import { welcome } from './welcome.ts';
import { type RunningGateway, type RunningGatewayOptions, startGateway } from '../running-gateway.ts';
import { createLog } from '../log.ts';
import { type Running, runAsProcess } from '../process.ts';

const DEFAULTS = {
  HOST: '127.0.0.1',
  // Lines of a lower level would run into the welcome text.
  LOG_LEVEL: 'warn',
  INTROSPECTION: 'true',
  // Frontends under development, wherever their tools serve them.
  CORS_ORIGINS: 'http://localhost:*,https://localhost:*',
};

const COMMAND = {
  name: 'npm run demo --',
  does: `npm run demo builds the gateway and runs it over a sandbox that plays the REST
API, until Ctrl+C. It needs no account, no token and no network.`,
  options: {
    federated: { type: 'boolean', does: 'adds an owner of transfers, and a router before both' },
    replicas: {
      type: 'string',
      value: 'N',
      does: 'runs N gateways that share a Redis, and a balancer before them',
    },
    traces: { type: 'boolean', does: 'prints the trace of each operation as a tree' },
  },
  variables: () => [
    { name: 'PORT', meaning: 'port of the gateway or balancer', fallback: '4000, or any free one' },
    { name: 'SANDBOX_PORT', meaning: 'port of the sandbox', fallback: 'any free one' },
    {
      name: 'SANDBOX_HOURLY_QUOTA',
      meaning: 'calls an hour of each token',
      fallback: String(DEFAULT_HOURLY_QUOTA),
    },
    {
      name: 'ROUTER_PORT',
      meaning: 'port of the router',
      fallback: `${ROUTER_PORT}, or any free one`,
    },
    { name: 'HOST', meaning: 'address to listen on', fallback: DEFAULTS.HOST },
    { name: 'LOG_LEVEL', meaning: 'as of the gateway', fallback: DEFAULTS.LOG_LEVEL },
    { name: 'CORS_ORIGINS', meaning: 'as of the gateway', fallback: 'every port of localhost' },
    { name: 'others', meaning: 'see `node dist/main.js --help`', fallback: 'as there' },
  ],
  examples: [
    'npm run demo',
    'npm run demo -- --federated',
    'npm run demo -- --replicas 3',
    'npm run demo -- --traces',
    'PORT=5000 SANDBOX_HOURLY_QUOTA=100 npm run demo',
  ],
} as const satisfies Command<Options>;

await runAsProcess(COMMAND, async ({ env, output, given: { federated: isFederated, ...options } }) => {
  const given = givenIn(env);
  const replicas = replicasIn(options.replicas, given);
  const sandbox = await startSandboxBy(given, ['SANDBOX_PORT'], 0);
  try {
    const settings = {
      ...DEFAULTS,
      ...given,
      SUPERMETRICS_API_URL: sandbox.url,
      GRAPHIQL: 'true',
      // The sandbox is in this process, where no proxy leads.
      no_proxy: '*',
    };
    const config = loadConfig(settings);
    const log = createLog(config.LOG_LEVEL, output);
    for (const { msg, ...fields } of settingWarnings(env)) log.warn(fields, msg);
    if (options.traces === true) {
      const { printTraces } = await import('./traces.ts').catch(asMissingPackages);
      printTraces({ sandboxUrl: sandbox.url, write: (text) => output.write(text) });
    }
    const shown = {
      pages: await demoPage({ sandboxUrl: sandbox.url, replicas }),
      graphiqlDefaults: demoGraphiql(sandbox.world),
    };
    const isAnywhere = given['PORT'] === undefined;
    const gateway: Running & { readonly port: number; readonly redisUrl?: string } =
      replicas === undefined
        ? await (isAnywhere ? startAnywhere : startGateway)({ config, env: settings, log, ...shown })
        : await startReplicas({
            count: replicas,
            settings,
            host: config.HOST,
            ports: isAnywhere ? [config.PORT, 0] : [config.PORT],
            output,
            ...shown,
          });
    const host = browserHost(config.HOST);
    const origin = `http://${host}:${gateway.port}`;
    const endpoint = `${origin}/graphql`;
    const federated = await (
      isFederated && startFederatedWith({ gateway: endpoint, host: config.HOST, port: given['ROUTER_PORT'] })
    )?.catch(async (error: unknown) => {
      await gateway.stop();
      throw error;
    });
    output.write(
      welcome(endpoint, replicas, [
        { name: 'Sandbox', url: sandbox.url },
        ...(gateway.redisUrl === undefined ? [] : [{ name: 'Redis', url: gateway.redisUrl }]),
        { name: 'GraphiQL', url: endpoint },
        ...(federated === undefined
          ? [{ name: 'Open', url: `${origin}/` }]
          : [
              { name: 'Page', url: `${origin}/` },
              { name: 'Owner', url: `http://localhost:${federated.owner}/graphql` },
              { name: 'Open', url: `http://${host}:${federated.router}/graphql` },
            ]),
      ]),
    );
    return {
      ...gateway,
      async stop() {
        await federated?.close();
        await gateway.stop();
        await sandbox.close();
      },
    };
  } catch (error) {
    await sandbox.close();
    throw error;
  }
});

/** @throws {ConfigError} where the packages for it are not installed */
function asMissingPackages(error: unknown): never {
  if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND')
    throw new ConfigError('--traces needs the development dependencies: run npm ci');
  throw error;
}

/** Starts on the usual port, or on any free one if that is taken. */
async function startAnywhere(options: RunningGatewayOptions): Promise<RunningGateway> {
  try {
    return await startGateway(options);
  } catch (error) {
    if (!isPortTaken(error)) throw error;
    return startGateway({ ...options, config: { ...options.config, PORT: 0 } });
  }
}

/** The host as a browser on this machine writes it. */
function browserHost(host: string): string {
  if (['127.0.0.1', '0.0.0.0', '::1', '::'].includes(host)) return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}
