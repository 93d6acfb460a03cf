import type { Command, Options } from '../command-line.ts';
import { runAsProcess } from '../process.ts';
import { DEMO_TEAM_ID } from '../sandbox/world/demo-world.ts';
import { DEMO_TOKENS, TOKEN_MEANINGS } from '../sandbox/world/tokens.ts';
import { DEFAULT_HOURLY_QUOTA, givenIn, startSandboxBy } from './start-sandbox.ts';

const USUAL_PORT = 4010;

const COMMAND = {
  name: 'npm run sandbox --',
  does: `npm run sandbox runs the sandbox alone, until Ctrl+C: a server that plays the
REST API, with tokens that make trouble. Point a gateway at the URL it prints.`,
  options: {},
  variables: () => [
    { name: 'SANDBOX_PORT', meaning: 'port', fallback: `PORT, else ${USUAL_PORT} or any free one` },
    {
      name: 'SANDBOX_HOURLY_QUOTA',
      meaning: 'calls an hour of each token',
      fallback: String(DEFAULT_HOURLY_QUOTA),
    },
  ],
  examples: ['npm run sandbox', 'SANDBOX_PORT=5010 SANDBOX_HOURLY_QUOTA=100 npm run sandbox'],
} as const satisfies Command<Options>;

await runAsProcess(COMMAND, async ({ env, output }) => {
  const sandbox = await startSandboxBy(givenIn(env), ['SANDBOX_PORT', 'PORT'], USUAL_PORT);
  output.write(`${welcome(sandbox.url)}\n`);
  return {
    stop: () => sandbox.close(),
    reportState: () => output.write(`calls ${sandbox.calls.count()}, under way ${sandbox.calls.inFlight}\n`),
    reportCrash: (error) => output.write(`crash: ${error instanceof Error ? error.stack : String(error)}\n`),
  };
});

function welcome(url: string): string {
  const tokens = [
    ...Object.entries(TOKEN_MEANINGS).map(
      ([name, meaning]) => [DEMO_TOKENS[name as keyof typeof DEMO_TOKENS], meaning] as const,
    ),
    ['any other', '401'] as const,
  ];
  const width = Math.max(...tokens.map(([token]) => token.length));
  return `
A sandbox plays the REST API for team ${DEMO_TEAM_ID}. Ctrl+C ends it.

Tokens, and what becomes of a call with "Authorization: Bearer <token>":

${tokens.map(([token, meaning]) => `  ${token.padEnd(width)}  ${meaning}`).join('\n')}

A built gateway over it: SUPERMETRICS_TEAM_ID=${DEMO_TEAM_ID} \\
  SUPERMETRICS_API_URL=${url} npm start`;
}
