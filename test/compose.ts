// Prints the supergraph of this gateway and of other subgraphs, with no network:
//   npm run --silent compose -- backfills=http://localhost:4000/graphql transfers=http://localhost:4001/graphql=transfers.graphql
// Without a file the schema is schema.graphql of this repository.
import { readFileSync } from 'node:fs';
import { composeByGuild } from './support/compose.ts';

const OWN_SCHEMA = new URL('../schema.graphql', import.meta.url);

const subgraphs = process.argv.slice(2).map((argument) => {
  const [, name, url, file] = /^([\w-]+)=([^=]+)(?:=(.+))?$/.exec(argument) ?? [];
  if (name === undefined || url === undefined) {
    throw new Error(`Expected name=url or name=url=file, got "${argument}".`);
  }
  return { name, url, sdl: readFileSync(file ?? OWN_SCHEMA, 'utf8') };
});
const { errors, supergraph } = composeByGuild(subgraphs);
if (supergraph === undefined) {
  process.stderr.write(`${errors.join('\n')}\n`);
  process.exitCode = 1;
} else {
  process.stdout.write(`${supergraph}\n`);
}
