import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOWEST = 10_000;
const HIGHEST = 65_535;

/**
 * A port of 127.0.0.1 for a program that takes some time to listen, or that listens again later. It is below those that
 * Linux gives to outgoing connections, one of which could take it meanwhile.
 */
export async function freePort(): Promise<number> {
  const outgoing = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8');
  const first = Number.parseInt(outgoing, 10);
  // Some systems use nearly all for outgoing connections.
  const port = randomInt(LOWEST, first > LOWEST + 1_000 ? first : HIGHEST);
  return (await isFree(port)) ? port : freePort();
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, '127.0.0.1');
  const free = await once(server, 'listening').then(
    () => true,
    () => false,
  );
  await new Promise((resolve) => server.close(resolve));
  return free;
}
