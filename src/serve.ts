import type { Command, Options } from './command-line.ts';
import { describeSettings, loadConfig, settingWarnings } from './config.ts';
import { createLog } from './log.ts';
import { packageVersion } from './package-files.ts';
import { runAsProcess } from './process.ts';

const COMMAND = {
  name: 'backfill-gateway',
  does: `backfill-gateway serves GraphQL over Supermetrics' Data Warehouse REST API until
SIGTERM. Times are in milliseconds.`,
  // Of several, the first one in this order counts.
  options: {
    version: { type: 'boolean', short: 'v', does: 'prints the version' },
    check: {
      type: 'boolean',
      does: 'says what is wrong with the settings, and opens no port: exit code 0 or 78',
    },
  },
  variables: describeSettings,
  examples: ['SUPERMETRICS_TEAM_ID=936506 backfill-gateway', 'backfill-gateway --check'],
} as const satisfies Command<Options>;

/** Runs the gateway as this process, or does what its arguments ask for. */
export function serve(): Promise<void> {
  return runAsProcess(
    COMMAND,
    async ({ env, output }) => {
      const config = loadConfig(env);
      const log = createLog(config.LOG_LEVEL, output);
      for (const { msg, ...fields } of settingWarnings(env)) log.warn(fields, msg);
      const { startGateway } = await import('./running-gateway.ts');
      return startGateway({ config, log });
    },
    async ({ version, check }, env) => {
      if (version === true) return `${packageVersion()}\n`;
      if (check !== true) return undefined;
      const { assertDocumentsFit } = await import('./gateway.ts');
      assertDocumentsFit(loadConfig(env));
      const warnings = settingWarnings(env).map((warning) => {
        const why = 'nearest' in warning ? `the setting most like it is ${warning.nearest}` : warning.reason;
        return `${warning.msg} ${warning.variable}: ${why}\n`;
      });
      return `${warnings.join('')}configuration is fine\n`;
    },
  );
}
