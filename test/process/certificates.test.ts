import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { describe, expect, it, onTestFinished } from 'vitest';
import { hasOpenssl, makeCertificate } from '../support/certificate.ts';
import { startConnectProxy } from '../support/connect-proxy.ts';
import { DATA, ID, UNAVAILABLE } from '../support/odd-upstream.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

interface Authority {
  /** Path of the certificate that nobody but the test trusts. */
  readonly certificate: string;
  readonly port: number;
}

/** An https upstream on `localhost` with one backfill, and a certificate that it signed itself. */
async function startHttpsUpstream(): Promise<Authority> {
  const { path: certificate, key, cert } = makeCertificate();
  const server = createServer({ key, cert }, (_request, response) => void response.end(DATA));
  server.on('tlsClientError', () => undefined).listen(0, 'localhost');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return { certificate, port: (server.address() as AddressInfo).port };
}

/** What a process of the gateway with these settings answers, and all that it wrote. */
async function readThrough(
  env: Readonly<Record<string, string>>,
): Promise<{ readonly answer: unknown; readonly output: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', MAIN], {
    env: { PATH: process.env['PATH'] ?? '', HOST: '127.0.0.1', PORT: '0', LOG_LEVEL: 'debug', ...env },
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let output = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (output += chunk.toString()));
  const port = (): string | undefined => /"port":(\d+),"msg":"listening"/.exec(output)?.[1];
  await expect.poll(port, { timeout: 15_000 }).toBeDefined();
  const response = await fetch(`http://127.0.0.1:${port()}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer x', 'x-team-id': '1' },
    body: JSON.stringify({ query: `{ backfill(id: "${ID}") { status } }` }),
  });
  return { answer: await response.json(), output };
}

describe.skipIf(!hasOpenssl)('an https upstream with a certificate of its own authority', () => {
  const good = { data: { backfill: { status: 'RUNNING' } } };

  it('is read where NODE_EXTRA_CA_CERTS names the authority, and unavailable else', async () => {
    const { certificate, port } = await startHttpsUpstream();
    const env = { SUPERMETRICS_API_URL: `https://localhost:${port}/v1` };
    expect((await readThrough({ ...env, NODE_EXTRA_CA_CERTS: certificate })).answer).toEqual(good);
    const { answer, output } = await readThrough(env);
    expect(answer).toMatchObject({ errors: [{ extensions: { code: UNAVAILABLE } }] });
    expect(JSON.stringify(answer)).not.toContain('localhost');
    expect(output).not.toContain('certificate.pem');
  });

  it('is read through a proxy too', async () => {
    const { certificate, port } = await startHttpsUpstream();
    const proxy = await startConnectProxy();
    const { answer } = await readThrough({
      SUPERMETRICS_API_URL: `https://localhost:${port}/v1`,
      NODE_EXTRA_CA_CERTS: certificate,
      https_proxy: `http://127.0.0.1:${proxy.port}`,
    });
    expect(answer).toEqual(good);
    expect(proxy.tunnels.map(({ url }) => url)).toEqual([`localhost:${port}`]);
  });
});
