import { loadConfig } from './config.ts';
import { startGateway } from './gateway.ts';
import { createLog } from './log.ts';
import { runAsProcess } from './process.ts';

await runAsProcess((env, output) => {
  const config = loadConfig(env);
  return startGateway({ config, log: createLog(config.LOG_LEVEL, output) });
});
