import type { Command, Options } from './command-line.ts';
import { type Config, describeSettings, type Environment, loadConfig, settingWarnings } from './config.ts';
import { effectiveConfigText } from './effective-config.ts';
import { createLog } from './log.ts';
import { packageVersion } from './package-files.ts';
import { runAsProcess } from './process.ts';
import { shownSettings } from './state-line.ts';

const COMMAND = {
  name: 'backfill-gateway',
  does: `backfill-gateway serves GraphQL over Supermetrics' Data Warehouse REST API until
SIGTERM. Times are in milliseconds.`,
  // Of several, the first one in this order counts.
  options: {
    version: { type: 'boolean', short: 'v', does: 'prints the version' },
    check: {
      type: 'boolean',
      does: 'prints the settings that count, or what is wrong with them, and ends with 0 or 78',
    },
  },
  variables: describeSettings,
  examples: ['SUPERMETRICS_TEAM_ID=936506 backfill-gateway', 'backfill-gateway --check'],
} as const satisfies Command<Options>;

/**
 * Runs the gateway as this process, or does what its arguments ask for.
 * @param stateWasAsked whether SIGUSR2 came before this could be called
 */
export function serve(stateWasAsked: boolean): Promise<void> {
  let config: Config | undefined;
  return runAsProcess(
    COMMAND,
    async ({ env, output }) => {
      config = loadConfig(env);
      const log = createLog(config.LOG_LEVEL, output);
      for (const { msg, ...fields } of settingWarnings(env)) log.warn(fields, msg);
      const { startGateway } = await import('./running-gateway.ts');
      return startGateway({ config, env, log });
    },
    async ({ version, check }, env) => {
      if (version === true) return `${packageVersion()}\n`;
      if (check !== true) return undefined;
      const checked = loadConfig(env);
      const { assertDocumentsFit } = await import('./gateway.ts');
      assertDocumentsFit(checked);
      return `${checkedText(checked, env)}${await storeText(checked)}`;
    },
    {
      wasAsked: stateWasAsked,
      report({ env, output }, facts) {
        const settings = config && { config: shownSettings(config, env) };
        createLog('silent', output).state({
          phase: 'starting',
          version: packageVersion(),
          ...facts,
          ...settings,
        });
      },
    },
  );
}

/** All of it is an environment file, so what is no setting is a comment. */
function checkedText(config: Config, env: Environment): string {
  const warnings = settingWarnings(env).map((warning) => {
    const why = 'nearest' in warning ? `the setting most like it is ${warning.nearest}` : warning.reason;
    return `# ${warning.msg} ${warning.variable}: ${why}\n`;
  });
  return `${warnings.join('')}${effectiveConfigText(config, env)}# configuration is fine\n`;
}

/** What replicas share through need not be there, so it is no mistake where it is not. */
async function storeText({ REDIS_URL: url }: Config): Promise<string> {
  if (url === undefined) return '';
  const { troubleOf } = await import('./upstream/replicas/store-check.ts');
  const trouble = await troubleOf(url);
  if (trouble === undefined) return '# Redis answers\n';
  return `# Redis is away, and until it answers replicas share nothing: ${trouble}\n`;
}
