import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { startSandbox } from '../../src/sandbox/server.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';
import { TEAM, TOKEN } from '../harness.ts';
import { buildGateway, type BuiltGateway, runBuilt } from '../support/built-gateway.ts';
import { freePort } from '../support/free-port.ts';
import { listenUntilEnd } from '../support/serve.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = readFileSync(join(ROOT, 'src/tracing/README.md'), 'utf8');

interface Sent {
  readonly resourceSpans: readonly {
    readonly scopeSpans: readonly {
      readonly scope: { readonly name: string };
      readonly spans: readonly {
        readonly name: string;
        readonly spanId: string;
        readonly parentSpanId?: string;
        readonly attributes: readonly { readonly key: string; readonly value: unknown }[];
      }[];
    }[];
  }[];
}

/** Takes what an exporter of OTLP sends, as a collector does. */
async function startCollector(): Promise<{ readonly url: string; readonly sent: readonly Sent[] }> {
  const sent: Sent[] = [];
  const server = createServer((request, response) => {
    void json(request).then((body) => {
      sent.push(body as Sent);
      response.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  return { url: `http://127.0.0.1:${await listenUntilEnd(server, [])}`, sent };
}

let built: BuiltGateway;
beforeAll(async () => {
  built = await buildGateway();
  return () => built.remove();
}, 120_000);

/** A folder of an operator's with the file that the README shows, and the packages that it names. */
function telemetryFile(): string {
  const [, text] = /```js\n(\/\/ telemetry\.mjs\n[^]*?)```/.exec(README) ?? [];
  if (text === undefined) throw new Error('the README shows no telemetry.mjs');
  const folder = mkdtempSync(join(tmpdir(), 'telemetry-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'telemetry.mjs'), text);
  return join(folder, 'telemetry.mjs');
}

describe('the file of the README', () => {
  it('has the built gateway send its traces, the last ones at its end too, without ids and documents', async () => {
    const world = createWorld();
    const id = world.addBackfill({ id: '2468013579', transferId: '5', status: 'RUNNING' });
    const sandbox = await startSandbox({ world });
    onTestFinished(() => sandbox.close());
    const collector = await startCollector();
    const gateway = await runBuilt(built, {
      port: await freePort(),
      command: [process.execPath, '--import', telemetryFile(), 'dist/main.js'],
      env: {
        SUPERMETRICS_API_URL: sandbox.url,
        NODE_ENV: 'production',
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      },
    });
    const query = encodeURIComponent(`query Row { backfill(id: "${id}") { status } }`);
    const headers = { authorization: `Bearer ${TOKEN}`, 'x-team-id': TEAM };
    const response = await fetch(`${gateway.origin}/graphql?query=${query}`, { headers });
    expect(await response.json()).toEqual({ data: { backfill: { status: 'RUNNING' } } });
    await (await fetch(`${gateway.origin}/health`)).text();
    gateway.child.kill('SIGTERM');
    expect(await gateway.exited).toBe(0);

    const scopes = collector.sent.flatMap(({ resourceSpans }) =>
      resourceSpans.flatMap(({ scopeSpans }) => scopeSpans),
    );
    const spans = scopes.flatMap(({ spans: some }) => some);
    const line: string[] = [];
    for (let at = spans.find(({ name, attributes }) => name === 'GET' && isClient(attributes)); at;) {
      line.push(at.name);
      const { parentSpanId } = at;
      at = spans.find(({ spanId }) => spanId === parentSpanId);
    }
    expect(line).toEqual(['GET', 'getBackfillById', 'read', 'query', 'GET']);
    expect(spans).toHaveLength(5);
    const told = JSON.stringify(collector.sent);
    for (const secret of [TOKEN, id, 'backfill(id']) expect(told).not.toContain(secret);
    const [call] = sandbox.calls.all;
    expect(call?.traceparent).toContain(spans.find(({ attributes }) => isClient(attributes))?.spanId);
  });
});

/** Whether it is the HTTP client's. */
function isClient(attributes: readonly { readonly key: string }[]): boolean {
  return attributes.some(({ key }) => key === 'url.full');
}

it('the bundle has the API of OpenTelemetry and no SDK', () => {
  const licenses = readFileSync(join(built.folder, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8');
  expect(licenses.match(/^@opentelemetry\/\S+/gm)).toEqual(['@opentelemetry/api']);
});
