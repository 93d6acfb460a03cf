import { createHash } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { DEMO_TEAM_ID, DEMO_TRANSFER_IDS } from '../sandbox/world/demo-world.ts';
import { DEMO_TOKENS } from '../sandbox/world/tokens.ts';
import { encodingFor } from '../server/content-encodings.ts';
import type { Endpoint, EndpointAnswer, Endpoints } from '../server/operational-endpoints.ts';
import { holds } from '../server/plugins/etag.ts';
import type { PageSettings } from './page/settings.ts';

const FOLDER = fileURLToPath(new URL('page/', import.meta.url));

const JAVASCRIPT = 'text/javascript; charset=utf-8';
const TYPES: Readonly<Record<string, string>> = {
  css: 'text/css; charset=utf-8',
  svg: 'image/svg+xml',
  js: JAVASCRIPT,
};

/** Two of each kind that the demo's world has, and one that never ran. */
const {
  lively: [firstLively = '', secondLively = ''],
  running: [firstRunning = '', secondRunning = ''],
  completed: [completed = ''],
  ...single
} = DEMO_TRANSFER_IDS;
const TRANSFERS = [
  single.neverRun,
  firstLively,
  secondLively,
  firstRunning,
  secondRunning,
  single.scheduled,
  completed,
  single.partlyFailed,
  single.failed,
  single.cancelled,
  single.huge,
];

export interface DemoPageOptions {
  /** Base URL of the sandbox's API. */
  readonly sandboxUrl: string;
  readonly pollMs?: number;
  readonly lingerMs?: number;
  /** The number of gateways behind a balancer, if there are several. */
  readonly replicas?: number | undefined;
}

/** The demo's page: `/`, and beneath `/demo/` what it loads. It takes nothing from any other host. */
export async function demoPage({
  sandboxUrl,
  pollMs = 3_000,
  lingerMs = 8_000,
  replicas,
}: DemoPageOptions): Promise<Endpoints> {
  const troubleUrl = new URL('/trouble', sandboxUrl);
  const settings: PageSettings = {
    troubleUrl: troubleUrl.href,
    token: DEMO_TOKENS.full,
    teamId: DEMO_TEAM_ID,
    transferIds: TRANSFERS,
    startTransferId: single.neverRun,
    pollMs,
    lingerMs,
    ...(replicas !== undefined && { replicas }),
  };
  const importMap = JSON.stringify({ imports: { 'graphql-ws/client': './demo/graphql-ws/client.js' } });
  const html = (await readFile(join(FOLDER, 'index.html'), 'utf8'))
    .replace('{{importMap}}', () => importMap)
    .replace('{{teamId}}', DEMO_TEAM_ID)
    .replace('{{settings}}', () => JSON.stringify(settings).replaceAll('<', '\\u003c'));
  // Browsers hash the whole text of the element.
  const [, mapText = ''] = /<script type="importmap">([^]*?)<\/script>/.exec(html) ?? [];
  const policy = [
    "default-src 'none'",
    `script-src 'self' 'sha256-${createHash('sha256').update(mapText).digest('base64')}'`,
    "style-src 'self'",
    "img-src 'self'",
    // A WebSocket of the page's own origin is 'self' too.
    `connect-src 'self' ${troubleUrl.origin}`,
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ');
  return new Map([
    ['/', serve(Buffer.from(html), 'text/html; charset=utf-8', { 'Content-Security-Policy': policy })],
    ...(await ownFiles()),
    ...(await graphqlWs()),
  ]);
}

async function ownFiles(): Promise<[string, Endpoint][]> {
  const names = (await readdir(FOLDER)).filter((name) => /\.(?:css|svg|js|ts)$/.test(name));
  return Promise.all(
    names.map(async (name): Promise<[string, Endpoint]> => {
      const path = join(FOLDER, name);
      const [, stem = '', ending = ''] = /^(.+)\.(\w+)$/.exec(name) ?? [];
      if (ending === 'ts') return [`/demo/${stem}.js`, serve(await translated(path), JAVASCRIPT)];
      return [`/demo/${name}`, serve(await readFile(path), TYPES[ending] ?? '')];
    }),
  );
}

/** The demo may run from its sources, as in the tests: then the modules are not built yet. */
async function translated(path: string): Promise<Buffer> {
  const { default: typescript } = await import('typescript');
  const { ModuleKind, ScriptTarget } = typescript;
  const { outputText } = typescript.transpileModule(await readFile(path, 'utf8'), {
    compilerOptions: {
      module: ModuleKind.ESNext,
      target: ScriptTarget.ES2022,
      verbatimModuleSyntax: true,
      rewriteRelativeImportExtensions: true,
    },
  });
  return Buffer.from(outputText);
}

/** The client of graphql-ws as its package has it for browsers, with the one module that it imports. */
async function graphqlWs(): Promise<[string, Endpoint][]> {
  const folder = dirname(createRequire(import.meta.url).resolve('graphql-ws/client'));
  const client = await readFile(join(folder, 'client.js'), 'utf8');
  const imported = [...client.matchAll(/from '\.\/([\w.-]+)'/g)].map(([, name = '']) => name);
  return Promise.all(
    ['client.js', ...new Set(imported)].map(async (name): Promise<[string, Endpoint]> => [
      `/demo/graphql-ws/${name}`,
      serve(await readFile(join(folder, name)), JAVASCRIPT),
    ]),
  );
}

/** Answers 304 to who has these bytes already, and compressed to who takes that. */
function serve(bytes: Buffer, type: string, more: Readonly<Record<string, string>> = {}): Endpoint {
  const compressed = gzipSync(bytes);
  // Weak, because the compressed bytes are others.
  const etag = `W/"${createHash('sha256').update(bytes).digest('base64url')}"`;
  const common = {
    ...more,
    'Cache-Control': 'no-cache',
    ETag: etag,
    Vary: 'Accept-Encoding, Origin',
  };
  const whole = { status: 200, headers: { ...common, 'Content-Type': type }, body: bytes };
  const small = {
    status: 200,
    headers: { ...whole.headers, 'Content-Encoding': 'gzip' },
    body: compressed,
  };
  const same = { status: 304, headers: common, body: Buffer.alloc(0) };
  return (headers: IncomingHttpHeaders): EndpointAnswer => {
    if (holds(headers['if-none-match'], etag)) return same;
    return encodingFor(headers['accept-encoding'], ['gzip']) === 'identity' ? whole : small;
  };
}
