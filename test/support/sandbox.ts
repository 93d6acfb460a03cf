import { afterEach } from 'vitest';
import { type Sandbox, type SandboxOptions, startSandbox } from '../../src/sandbox/server.ts';
import { DEMO_TOKENS } from '../../src/sandbox/world/tokens.ts';
import { createWorld } from '../../src/sandbox/world/world.ts';

export const START = Date.parse('2026-03-01T12:00:00Z');
export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const CANCEL = { status: 'CANCELLED' };

/** The time of every sandbox of the file. It starts at START with each test. */
export const time = { now: START };
let open: Sandbox[] = [];

afterEach(async () => {
  await Promise.all(open.map((sandbox) => sandbox.close()));
  open = [];
  time.now = START;
});

/** A sandbox with an empty world unless `options` says otherwise. It closes with the test. */
export async function start(options: SandboxOptions = {}): Promise<Sandbox> {
  const now = (): number => time.now;
  const sandbox = await startSandbox({ now, world: createWorld({ now }), ...options });
  open.push(sandbox);
  return sandbox;
}

export interface Asked {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly data: Record<string, unknown>;
  readonly list: readonly Record<string, unknown>[];
  readonly error: Record<string, unknown>;
}

export async function ask(
  sandbox: Sandbox,
  request: string,
  { token = DEMO_TOKENS.full, body, headers = {} }: AskOptions = {},
): Promise<Asked> {
  const [method = 'GET', path = '/'] = request.split(' ');
  const response = await fetch(sandbox.url + path, {
    method,
    headers: { ...(token === null ? {} : { authorization: `Bearer ${token}` }), ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const text = await response.text();
  const isJson = response.headers.get('content-type') === 'application/json';
  const json = (isJson ? JSON.parse(text) : {}) as { data?: unknown; error?: unknown };
  return {
    status: response.status,
    headers: response.headers,
    text,
    data: Object(json.data) as Record<string, unknown>,
    list: Array.isArray(json.data) ? (json.data as Record<string, unknown>[]) : [],
    error: Object(json.error) as Record<string, unknown>,
  };
}

export interface AskOptions {
  readonly token?: string | null;
  readonly body?: string | object;
  readonly headers?: Record<string, string>;
}
