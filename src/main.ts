import { loadConfig } from './config.ts';
import { startGateway } from './gateway.ts';
import { createLog } from './log.ts';
import { runAsProcess } from './process.ts';

await runAsProcess((env) => {
  const config = loadConfig(env);
  return startGateway({ config, log: createLog(config.LOG_LEVEL) });
});
