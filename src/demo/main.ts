import { ConfigError, loadConfig, settingWarnings } from '../config.ts';
import {
  DEMO_CURL_QUERY,
  DEMO_GRAPHIQL,
  DEMO_OPERATIONS,
  DEMO_REFUSALS,
  demoProgress,
} from './operations.ts';
import { demoPage } from './demo-page.ts';
import type { GatewayOptions } from '../gateway.ts';
import { type RunningGateway, startGateway } from '../running-gateway.ts';
import { createLog } from '../log.ts';
import { runAsProcess } from '../process.ts';
import { newbornBackfillId } from '../sandbox/world/demo-world.ts';
import { type Sandbox, startSandbox } from '../sandbox/server.ts';

const DEFAULTS = {
  HOST: '127.0.0.1',
  // Lines of a lower level would run into the welcome text.
  LOG_LEVEL: 'warn',
  INTROSPECTION: 'true',
  // Frontends under development, wherever their tools serve them.
  CORS_ORIGINS: 'http://localhost:*,https://localhost:*',
};

await runAsProcess(async (env, output) => {
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const sandbox = await startSandboxWith(given['SANDBOX_PORT'], given['SANDBOX_HOURLY_QUOTA']);
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
    const options = {
      config,
      log,
      pages: await demoPage({ sandboxUrl: sandbox.url }),
      graphiqlDefaults: {
        ...DEMO_GRAPHIQL,
        moreTabs: () => [demoProgress(newbornBackfillId(sandbox.world))],
      },
    };
    const gateway = await (given['PORT'] === undefined ? startAnywhere(options) : startGateway(options));
    output.write(`${welcome(`http://${browserHost(config.HOST)}:${gateway.port}/graphql`, sandbox.url)}\n`);
    return {
      ...gateway,
      async stop() {
        await gateway.stop();
        await sandbox.close();
      },
    };
  } catch (error) {
    await sandbox.close();
    throw error;
  }
});

/** Starts on the usual port, or on any free one if that is taken. */
async function startAnywhere(options: GatewayOptions): Promise<RunningGateway> {
  try {
    return await startGateway(options);
  } catch (error) {
    if (!isPortTaken(error)) throw error;
    return startGateway({ ...options, config: { ...options.config, PORT: 0 } });
  }
}

async function startSandboxWith(port = '0', hourlyQuota = '5000'): Promise<Sandbox> {
  const mistakes = [
    ...(/^\d{1,5}$/.test(port) && Number(port) <= 65_535
      ? []
      : ['SANDBOX_PORT must be a whole number from 0 to 65535']),
    ...(/^[1-9]\d{0,8}$/.test(hourlyQuota)
      ? []
      : ['SANDBOX_HOURLY_QUOTA must be a whole number from 1 to 999999999']),
  ];
  if (mistakes.length > 0) throw new ConfigError(mistakes.join('\n'));
  try {
    return await startSandbox({ port: Number(port), hourlyQuota: Number(hourlyQuota) });
  } catch (error) {
    if (!isPortTaken(error)) throw error;
    throw new ConfigError(`SANDBOX_PORT ${port} is in use: stop what listens there, or set another one`);
  }
}

function isPortTaken(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'EADDRINUSE';
}

/** The host as a browser on this machine writes it. */
function browserHost(host: string): string {
  if (['127.0.0.1', '0.0.0.0', '::1', '::'].includes(host)) return 'localhost';
  return host.includes(':') ? `[${host}]` : host;
}

function welcome(url: string, sandboxUrl: string): string {
  const headers = Object.entries(DEMO_GRAPHIQL.headers).map(([name, value]) => `${name}: ${value}`);
  const refusals = Object.entries(DEMO_REFUSALS).map(([token, answer]) => `${token.padEnd(18)} ${answer}`);
  const curl = [
    `curl ${url}`,
    ...[...headers, 'Content-Type: application/json'].map((header) => `-H '${header}'`),
    `-d '${JSON.stringify({ query: DEMO_CURL_QUERY })}'`,
  ];
  return `
The gateway runs over a sandbox that plays the REST API. Ctrl+C ends both.

  GraphiQL  ${url}
  Headers   ${headers.join('\n            ')}
  Sandbox   ${sandboxUrl}

GraphiQL opens with these headers, an operation to run and a subscription in a second tab. More to paste into it:

${indent(DEMO_OPERATIONS.join('\n\n'))}

From a shell, why some runs of a backfill failed:

  ${curl.join(' ')}

Tokens that the sandbox refuses, to see errors (in "Headers", instead of sandbox-full):

${indent(refusals.join('\n'))}
`;
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '  ');
}
