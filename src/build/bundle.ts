// The last step of `npm run build`: puts what dist/main.js ever loads, packages included, into a few files. To find, read
// and compile some 800 files takes Node.js longer than all else of the start. The packed gateway needs no other package.
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';
import { GRAPHIQL_FILE } from '../package-files.ts';
import { makeGraphiqlScript } from '../server/graphiql-making.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const GRAPHIQL = basename(GRAPHIQL_FILE.pathname);
const LICENSES = 'THIRD-PARTY-LICENSES.txt';

/** @param folder where the compiled sources are; its serve.js is replaced */
async function bundle(folder: string): Promise<void> {
  for (const old of readdirSync(folder)) if (/^serve\b.*\.js(?:\.map)?$/.test(old)) rmSync(join(folder, old));
  const { metafile } = await build({
    absWorkingDir: ROOT,
    entryPoints: ['src/serve.ts'],
    outdir: folder,
    // What is imported later is a file of its own. All lie beside main.js, where package-files.ts expects to be.
    splitting: true,
    chunkNames: 'serve-[name]-[hash]',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // Names stay: they are in the log.
    minifyWhitespace: true,
    minifySyntax: true,
    sourcemap: 'linked',
    sourcesContent: false,
    legalComments: 'eof',
    metafile: true,
    logLevel: 'warning',
    // ES modules take less time than CommonJS, and what nothing uses of them is left out.
    mainFields: ['module', 'main'],
    plugins: [oneGraphql, partOfUndici, ownPositionsOnly],
    // Faster forms of a part of ws, for those who install them.
    external: ['bufferutil', 'utf-8-validate'],
    banner: {
      // Packages of CommonJS require modules of Node.js.
      js: "import{createRequire as requireFrom}from'node:module';const require=requireFrom(import.meta.url);",
    },
    define: {
      'process.env.NODE_ENV': '"production"',
      // @whatwg-node/server compares its own Request with it, for which Node.js would load all of its fetch.
      'globalThis.Request': 'undefined',
    },
  });
  const files = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
  const folders = [...packagesOf(files), 'node_modules/@graphql-yoga/render-graphiql'];
  writeFileSync(join(folder, LICENSES), licensesOf(folders.sort()));
}

/** GraphiQL in one file, which is compressed here and not when somebody waits for it. */
async function addGraphiql(folder: string): Promise<void> {
  writeFileSync(join(folder, GRAPHIQL), await makeGraphiqlScript());
}

/** Packages name some files of graphql by their CommonJS form. Two graphqls would not know each other's classes. */
const oneGraphql: Plugin = {
  name: 'one graphql',
  setup({ onResolve, onEnd, resolve }) {
    onResolve({ filter: /^graphql\/.*\.js$/ }, ({ path, kind, resolveDir }) =>
      resolve(path.replace(/\.js$/, '.mjs'), { kind, resolveDir }),
    );
    onEnd(({ metafile }) => {
      const others = Object.keys(metafile?.inputs ?? {}).filter((file) =>
        /node_modules\/graphql\/.*\.js$/.test(file),
      );
      return { errors: others.map((file) => ({ text: `${file} is of a second graphql` })) };
    });
  },
};

/** The gateway calls an HTTP API; undici's index loads its fetch, caches, cookies, mocks and WebSockets as well. */
const partOfUndici: Plugin = {
  name: 'part of undici',
  setup({ onLoad }) {
    const files = {
      Client: 'dispatcher/client.js',
      EnvHttpProxyAgent: 'dispatcher/env-http-proxy-agent.js',
      Pool: 'dispatcher/pool.js',
      errors: 'core/errors.js',
    };
    const contents = Object.entries(files)
      .map(([name, file]) => `export { default as ${name} } from './lib/${file}';`)
      .join('\n');
    onLoad({ filter: /[\\/]node_modules[\\/]undici[\\/]index\.js$/ }, () => ({ contents }));
  },
};

/** Stacks in the log name lines of our sources (stacks.ts). Those of packages would be nine tenths of the source map. */
const ownPositionsOnly: Plugin = {
  name: 'own positions only',
  setup({ onLoad }) {
    const none = Buffer.from('{"version":3,"sources":[""],"mappings":"A"}').toString('base64');
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, ({ path }) => ({
      contents: `${readFileSync(path, 'utf8')}\n//# sourceMappingURL=data:application/json;base64,${none}`,
    }));
  },
};

/** The folders of the packages that the files belong to. */
function packagesOf(files: readonly string[]): readonly string[] {
  const folders = files.map((file) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(file)?.[0]);
  return [...new Set(folders.filter((folder) => folder !== undefined))];
}

/** Nearly every license asks that its text goes with each copy. */
function licensesOf(folders: readonly string[]): string {
  const texts = folders.map((folder) => {
    const text = readFileSync(join(ROOT, folder, 'package.json'), 'utf8');
    const { name, version, license } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const terms = readdirSync(join(ROOT, folder))
      .filter((file) => /^(?:licen[cs]e|copying|notice)/i.test(file))
      .map((file) => readFileSync(join(ROOT, folder, file), 'utf8').trim());
    return [`${String(name)} ${String(version)} (${String(license)})`, ...terms].join('\n\n');
  });
  return `Parts of these packages are in the files serve*.js and ${GRAPHIQL}:\n\n${texts.join('\n\n----\n\n')}\n`;
}

const [dist = join(ROOT, 'dist')] = process.argv.slice(2);
await Promise.all([bundle(dist), addGraphiql(dist)]);
