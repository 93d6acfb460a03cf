#!/usr/bin/env node
import { commandIn, helpText, versionText } from './command-line.ts';
import { loadConfig, settingWarnings } from './config.ts';
import { createLog } from './log.ts';
import { runAsProcess } from './process.ts';

await runAsProcess(
  async (env, output) => {
    const config = loadConfig(env);
    const log = createLog(config.LOG_LEVEL, output);
    for (const { msg, ...fields } of settingWarnings(env)) log.warn(fields, msg);
    const { startGateway } = await import('./running-gateway.ts');
    return startGateway({ config, log });
  },
  async (args, env) => {
    const command = commandIn(args);
    if (command === 'help') return helpText();
    if (command === 'version') return versionText();
    if (command === 'serve') return undefined;
    const { assertDocumentsFit } = await import('./gateway.ts');
    assertDocumentsFit(loadConfig(env));
    const warnings = settingWarnings(env).map((warning) => {
      const why = 'nearest' in warning ? `the setting most like it is ${warning.nearest}` : warning.reason;
      return `${warning.msg} ${warning.variable}: ${why}\n`;
    });
    return `${warnings.join('')}configuration is fine\n`;
  },
);
