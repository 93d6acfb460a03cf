import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { writeCertificate } from './certificate-files.ts';
import { fill, recipe } from './recipes.ts';

/** By their ports. */
export type Gateways = readonly [number, number, ...number[]];

export interface BalancerPlace {
  /** For its configuration, its certificate and what it writes. */
  readonly folder: string;
  readonly port: number;
  /** The ports of its gateways. The recipe of nginx takes two. */
  readonly gateways: Gateways;
}

/** A balancer as Debian packs it, with the recipe as its configuration. */
export interface Balancer {
  readonly port: number;
  /** The certificate, for `localhost`, that nobody else trusts. */
  readonly ca: Buffer;
  /** The last lines of its log of requests. */
  log(): string;
  stop(): Promise<void>;
}

export interface BalancerProgram {
  readonly name: string;
  /** Why it cannot be started here. */
  readonly missing: string | undefined;
  /** Rejects with what the program said where it does not start. */
  start(place: BalancerPlace): Promise<Balancer>;
}

const NGINX = process.env['NGINX_PATH'] ?? '/usr/sbin/nginx';
const HAPROXY = process.env['HAPROXY_PATH'] ?? '/usr/sbin/haproxy';
/** Others can neither change their user nor their root folder. */
const isRoot = process.getuid?.() === 0;
const START_MS = 10_000;

export const nginx: BalancerProgram = {
  name: 'nginx',
  missing: missing(NGINX, 'nginx', 'NGINX_PATH'),
  async start({ folder, port, gateways: [first, second] }) {
    const { cert } = writeCertificate(folder);
    const path = join(folder, 'nginx.conf');
    const text = fill(recipe('nginx.conf'), {
      'listen 443 ': `listen 127.0.0.1:${port} `,
      '127.0.0.1:4000': `127.0.0.1:${first}`,
      '127.0.0.1:4001': `127.0.0.1:${second}`,
      '/etc/ssl/gateway': folder,
      '/run/nginx.pid': join(folder, 'nginx.pid'),
      '/var/log/nginx': folder,
    });
    writeFileSync(path, text);
    const args = ['-p', folder, '-e', join(folder, 'error.log'), '-c', path, '-g', 'daemon off;'];
    // It ends its workers itself at SIGTERM; at SIGKILL it would leave them behind.
    const { stop } = await started(NGINX, args, port, 'SIGTERM');
    return { port, ca: cert, stop, log: () => readFileSync(join(folder, 'access.log'), 'utf8') };
  },
};

/** @param switchedOn beginnings of lines that are comments in the recipe */
function haproxyWith(...switchedOn: readonly string[]): BalancerProgram {
  return {
    name: 'HAProxy',
    missing: missing(HAPROXY, 'haproxy', 'HAPROXY_PATH'),
    async start({ folder, port, gateways: [first, second, ...further] }) {
      const { cert, key } = writeCertificate(folder);
      writeFileSync(join(folder, 'gateway.pem'), Buffer.concat([cert, key]));
      const path = join(folder, 'haproxy.cfg');
      const text = fill(recipe('haproxy.cfg'), {
        'bind :443 ': `bind 127.0.0.1:${port} `,
        '127.0.0.1:4000': `127.0.0.1:${first}`,
        '127.0.0.1:4001': `127.0.0.1:${second}`,
        '/etc/ssl/gateway': folder,
        ...Object.fromEntries(switchedOn.map((line) => [`#${line}`, line])),
        ...(isRoot ? {} : { 'user haproxy': '', 'group haproxy': '', 'chroot /var/lib/haproxy': '' }),
      });
      // The servers are the end of the recipe.
      const servers = further.map((gateway, n) => `    server gateway-${3 + n} 127.0.0.1:${gateway}\n`);
      writeFileSync(path, text + servers.join(''));
      const { stop, output } = await started(HAPROXY, ['-db', '-f', path], port, 'SIGKILL');
      return { port, ca: cert, stop, log: output };
    },
  };
}

export const haproxy = haproxyWith();
const BY_CREDENTIAL = 'http-request set-var(txn.reader)';
/** It keeps each credential at one gateway. */
export const haproxyByCredential = haproxyWith(BY_CREDENTIAL);
/** The same, but for what is too much for that gateway. */
export const haproxyBounded = haproxyWith(BY_CREDENTIAL, 'hash-balance-factor');

function missing(path: string, name: string, variable: string): string | undefined {
  return existsSync(path)
    ? undefined
    : `there is no ${path}: apt-get install ${name}, or name it in ${variable}`;
}

/** Starts a program that stays in the foreground, and waits until it listens. */
async function started(
  path: string,
  args: readonly string[],
  port: number,
  signal: NodeJS.Signals,
): Promise<{ stop(): Promise<void>; output(): string }> {
  if (!existsSync(path)) throw new Error(`there is no ${path}`);
  const child = spawn(path, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  const keep = (chunk: Buffer): void => {
    said = (said + chunk.toString()).slice(-10_000);
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const closed = once(child, 'close');
  const stop = async (): Promise<void> => {
    child.kill(signal);
    await closed;
  };
  if (await listens(child, port)) return { stop, output: () => said };
  await stop();
  throw new Error(`${path} does not start: ${said}`);
}

async function listens(child: ChildProcess, port: number): Promise<boolean> {
  const deadline = Date.now() + START_MS;
  while (child.exitCode === null && Date.now() < deadline) {
    const socket = connect(port, '127.0.0.1');
    const isOpen = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (isOpen) return true;
    await pause(20);
  }
  return false;
}
