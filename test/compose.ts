import { readFileSync } from 'node:fs';
import { UsageError } from '../src/command-line.ts';
import { composeByGuild } from './support/compose.ts';
import { runScript } from './support/script.ts';

const OWN_SCHEMA = new URL('../schema.graphql', import.meta.url);

const COMMAND = {
  name: 'npm run --silent compose --',
  does: 'Prints the supergraph of this gateway and of other subgraphs, with no network.',
  options: {},
  operands: {
    name: 'name=url[=file]',
    does: 'a subgraph; without a file its schema is schema.graphql of this repository',
  },
  examples: [
    'npm run --silent compose -- backfills=http://localhost:4000/graphql \\',
    '  transfers=http://localhost:4001/graphql=transfers.graphql > supergraph.graphql',
  ],
} as const;

await runScript(COMMAND, (_given, operands) => {
  if (operands.length === 0) throw new UsageError(`no subgraph is named: see ${COMMAND.name} --help`);
  const subgraphs = operands.map((argument) => {
    const [, name, url, file] = /^([\w-]+)=([^=]+)(?:=(.+))?$/.exec(argument) ?? [];
    if (name === undefined || url === undefined)
      throw new UsageError(
        `argument "${argument}" is not name=url or name=url=file: see ${COMMAND.name} --help`,
      );
    return { name, url, sdl: readFileSync(file ?? OWN_SCHEMA, 'utf8') };
  });
  const { errors, supergraph } = composeByGuild(subgraphs);
  if (supergraph === undefined) {
    process.stderr.write(`${errors.join('\n')}\n`);
    process.exitCode = 1;
  } else {
    process.stdout.write(`${supergraph}\n`);
  }
});
