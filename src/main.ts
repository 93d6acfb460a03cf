import { loadConfig, settingWarnings } from './config.ts';
import { startGateway } from './gateway.ts';
import { createLog } from './log.ts';
import { runAsProcess } from './process.ts';

await runAsProcess((env, output) => {
  const config = loadConfig(env);
  const log = createLog(config.LOG_LEVEL, output);
  for (const { msg, ...fields } of settingWarnings(env)) log.warn(fields, msg);
  return startGateway({ config, log });
});
