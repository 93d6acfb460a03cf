import { loadConfig, unknownSettings } from './config.ts';
import { startGateway } from './gateway.ts';
import { createLog } from './log.ts';
import { runAsProcess } from './process.ts';

await runAsProcess((env, output) => {
  const config = loadConfig(env);
  const log = createLog(config.LOG_LEVEL, output);
  for (const unknown of unknownSettings(env)) log.warn(unknown, 'unknown setting');
  return startGateway({ config, log });
});
