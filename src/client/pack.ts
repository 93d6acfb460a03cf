// `npm run client:pack`: makes the tarball that frontends install, in dist/. The gateway never loads this file.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { createGatewaySchema } from '../graphql/schema.ts';
import { printApiSchema } from './api-schema.ts';

/** Above both `src` and `dist`. */
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DIST = join(ROOT, 'dist');
const SOURCES = join(ROOT, 'src/client');
const NAME = 'backfill-gateway-client';
const STAGE = join(DIST, NAME);

const [argument] = process.argv.slice(2);
if (argument === undefined) pack();
else if (argument === '--help' || argument === '-h') process.stdout.write(helpText());
else {
  process.stderr.write(
    `argument ${JSON.stringify(argument)} is unknown: see npm run client:pack -- --help\n`,
  );
  process.exitCode = 64;
}

function helpText(): string {
  return `npm run client:pack makes dist/${NAME}-<version>.tgz, which frontends install: error codes, types and schemas.
It takes no arguments, needs no network, and prints how to install the tarball.
`;
}

function pack(): void {
  rmSync(STAGE, { recursive: true, force: true });
  mkdirSync(STAGE, { recursive: true });
  const version = readVersion();
  writeFileSync(join(STAGE, 'package.json'), `${JSON.stringify(packageJson(version), null, 2)}\n`);
  compile();
  writeFileSync(join(STAGE, 'api.graphql'), printApiSchema(createGatewaySchema()));
  for (const file of ['schema.graphql', 'LICENSE']) copyFileSync(join(ROOT, file), join(STAGE, file));
  copyFileSync(join(SOURCES, 'README.md'), join(STAGE, 'README.md'));
  const tarball = tarballOf(version);
  process.stdout.write(`${NAME} ${version} is in dist/. To install it in a frontend:

  npm install ${tarball}
  yarn add file:${tarball}
`);
}

/** Its name has a hash of what is in it: yarn 1 goes on with the tarball that it had under a name. */
function tarballOf(version: string): string {
  for (const old of readdirSync(DIST)) if (old.startsWith(`${NAME}-`)) rmSync(join(DIST, old));
  execFileSync('npm', ['pack', '--silent', '--pack-destination', DIST], { cwd: STAGE });
  const packed = join(DIST, `${NAME}-${version}.tgz`);
  const hash = createHash('sha256').update(readFileSync(packed)).digest('hex').slice(0, 8);
  const named = join(DIST, `${NAME}-${version}-${hash}.tgz`);
  renameSync(packed, named);
  return named;
}

/** The version of the gateway is that of the package, which describes it. */
function readVersion(): string {
  const text = readFileSync(join(ROOT, 'package.json'), 'utf8');
  return (JSON.parse(text) as { readonly version: string }).version;
}

/** `main` and `types` are for those who do not read `exports`. */
function packageJson(version: string): object {
  return {
    name: NAME,
    version,
    description: 'Error codes, types and schemas of backfill-gateway, for its clients',
    license: 'Apache-2.0',
    type: 'module',
    sideEffects: false,
    main: './index.cjs',
    types: './index.d.cts',
    exports: {
      '.': {
        import: { types: './index.d.ts', default: './index.js' },
        require: { types: './index.d.cts', default: './index.cjs' },
      },
      './api.graphql': './api.graphql',
      './schema.graphql': './schema.graphql',
      './package.json': './package.json',
    },
  };
}

function compile(): void {
  const index = readFileSync(join(SOURCES, 'index.ts'), 'utf8');
  // One file, because declarations keep the `.ts` of an import, which older compilers cannot read.
  const source = [...index.matchAll(/^export \* from '(.+)';$/gm)]
    .map(([, path = '']) => readFileSync(join(SOURCES, path), 'utf8'))
    .join('\n');
  const files = ['index.ts', 'index.cts'].map((name) => join(STAGE, name));
  for (const file of files) writeFileSync(file, source);
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const project = join(SOURCES, 'package.tsconfig.json');
  execFileSync(process.execPath, [tsc, '-p', project], { stdio: 'inherit' });
  for (const file of files) rmSync(file);
}
