import { createHash } from 'node:crypto';
import { gunzipSync } from 'node:zlib';
import { type IncomingMessage, request } from 'node:http';
import { once } from 'node:events';
import { expect, it, onTestFinished } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { demoPage } from '../../src/demo/demo-page.ts';
import { createLog } from '../../src/log.ts';
import { startGateway } from '../../src/running-gateway.ts';

const SANDBOX = 'http://127.0.0.1:9';

/** @returns the origin of a gateway with the demo's page, or without it */
async function start({
  withPage = true,
  env = {},
}: { withPage?: boolean; env?: Record<string, string> } = {}) {
  const config = loadConfig({ PORT: '0', HOST: '127.0.0.1', SUPERMETRICS_API_URL: `${SANDBOX}/v1`, ...env });
  const pages = withPage ? { pages: await demoPage({ sandboxUrl: `${SANDBOX}/v1` }) } : {};
  const gateway = await startGateway({ config, log: createLog('silent'), ...pages });
  onTestFinished(() => gateway.stop());
  return `http://127.0.0.1:${gateway.port}`;
}

/** The bytes as they come over the wire; `fetch` would unpack them. */
async function raw(url: string, headers: Readonly<Record<string, string>> = {}, method = 'GET') {
  const sent = request(url, { headers, method, agent: false }).end();
  const [response] = (await once(sent, 'response')) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) chunks.push(chunk);
  return { status: response.statusCode, headers: response.headers, bytes: Buffer.concat(chunks) };
}

/** All that the page loads, found by following what its files name. */
async function filesOf(origin: string): Promise<ReadonlyMap<string, string>> {
  const files = new Map<string, string>();
  const queue = ['/'];
  for (let path = queue.shift(); path !== undefined; path = queue.shift()) {
    if (files.has(path)) continue;
    const response = await fetch(origin + path);
    expect(response.status, path).toBe(200);
    const text = await response.text();
    files.set(path, text);
    const base = new URL(path, origin);
    const named = [
      ...text.matchAll(/(?:href|src)="(demo\/[^"]+)"/g),
      ...text.matchAll(/"(\.\/demo\/[^"]+)"/g),
      ...text.matchAll(/from ['"](\.\.?\/[^'"]+)['"]/g),
    ];
    for (const [, name = ''] of named) queue.push(new URL(name, base).pathname);
  }
  return files;
}

it('is at / with all that it loads, and none of it names another host', async () => {
  const files = await filesOf(await start());
  expect([...files.keys()]).toEqual(
    expect.arrayContaining(['/', '/demo/page.css', '/demo/page.js', '/demo/graphql-ws/client.js']),
  );
  expect(files.size).toBeGreaterThan(12);
  for (const [path, text] of files) {
    const urls = text.match(/https?:\/\/[\w.:-]+/g) ?? [];
    // The namespace of SVG, and in a comment of graphql-ws the specification of its error codes.
    const others = urls.filter((url) => ![SANDBOX, 'http://www.w3.org'].includes(url));
    if (!path.startsWith('/demo/graphql-ws/')) expect(others, path).toEqual([]);
  }
});

it('may load from its own origin alone, and call the sandbox beside it', async () => {
  const response = await fetch(await start());
  const html = await response.text();
  const policy = Object.fromEntries(
    (response.headers.get('content-security-policy') ?? '').split('; ').map((rule) => {
      const [name = '', ...sources] = rule.split(' ');
      return [name, sources];
    }),
  );
  const [, importMap = ''] = /<script type="importmap">([^]*?)<\/script>/.exec(html) ?? [];
  const hash = createHash('sha256').update(importMap).digest('base64');
  expect(policy).toEqual({
    'default-src': ["'none'"],
    'script-src': ["'self'", `'sha256-${hash}'`],
    'style-src': ["'self'"],
    'img-src': ["'self'"],
    'connect-src': ["'self'", SANDBOX],
    'base-uri': ["'none'"],
    'form-action': ["'none'"],
    'frame-ancestors': ["'none'"],
  });
  expect(response.headers.get('x-content-type-options')).toBe('nosniff');
  expect(response.headers.get('referrer-policy')).toBe('no-referrer');
  expect(response.headers.get('x-frame-options')).toBe('DENY');
  expect(response.headers.get('x-request-id')).not.toBeNull();
});

it.each(['/', '/demo/page.js', '/demo/page.css', '/demo/graphql-ws/client.js'])(
  '%s is compressed for who takes that, and not sent again to who has it',
  async (path) => {
    const url = (await start()) + path;
    const plain = await raw(url);
    expect(plain.headers['content-encoding']).toBeUndefined();
    const small = await raw(url, { 'accept-encoding': 'br, gzip' });
    expect(small.headers['content-encoding']).toBe('gzip');
    expect(gunzipSync(small.bytes).equals(plain.bytes)).toBe(true);
    expect(small.bytes.length).toBeLessThan(plain.bytes.length);
    expect(small.bytes.length).toBeLessThan(16_384);
    expect(
      (await raw(url, { 'accept-encoding': 'gzip;q=0, br' })).headers['content-encoding'],
    ).toBeUndefined();
    for (const { headers } of [plain, small]) {
      expect(headers['cache-control']).toBe('no-cache');
      expect(headers.vary).toBe('Accept-Encoding, Origin');
      const again = await raw(url, { 'if-none-match': headers.etag ?? '' });
      expect(again).toMatchObject({ status: 304, bytes: Buffer.alloc(0) });
      expect(again.headers.etag).toBe(headers.etag);
      expect(again.headers['content-length']).toBeUndefined();
    }
    expect((await raw(url, { 'if-none-match': '"other"' })).status).toBe(200);
    const head = await raw(url, {}, 'HEAD');
    expect(head.headers['content-length']).toBe(String(plain.bytes.length));
    expect(head.bytes.length).toBe(0);
  },
);

it.each(['/demo', '/demo/', '/demo/index.html', '/demo/../package.json', '/demo/tsconfig.json', '/page'])(
  'serves nothing at %s',
  async (path) => {
    expect((await raw((await start()) + path)).status).toBe(404);
  },
);

it('is nowhere in a gateway that is not the demo', async () => {
  for (const env of [{}, { NODE_ENV: 'production' }]) {
    const origin = await start({ withPage: false, env });
    expect((await raw(origin)).status).toBe('NODE_ENV' in env ? 404 : 302);
    for (const path of ['/demo/page.js', '/demo/page.css'])
      expect((await raw(origin + path)).status).toBe(404);
  }
});

it('is there whatever GRAPHIQL says', async () => {
  expect((await raw(await start({ env: { GRAPHIQL: 'false' } }))).status).toBe(200);
});
