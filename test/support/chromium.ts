import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium } from 'playwright-core';

const PATH = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium';
const MISSING = `there is no Chromium at ${PATH}; install it, or name one in CHROMIUM_PATH`;

/** On a developer's machine a missing browser skips what needs one; in CI it fails, or nobody would ever know. */
export const skipsWithoutChromium = !existsSync(PATH) && !process.env['CI'];
if (skipsWithoutChromium) console.warn(`Tests in a browser are skipped: ${MISSING}`);

const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--disable-quic',
  // No name but this machine's resolves, as where there is no internet.
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1',
];

export async function launchChromium(): Promise<Browser> {
  if (!existsSync(PATH)) throw new Error(MISSING);
  return chromium.launch({ executablePath: PATH, args: ARGUMENTS });
}

/** What the pages of a context do behind the back of their users. */
export interface Watched {
  /** The URLs that they ask for, those of WebSockets included. */
  readonly requested: readonly string[];
  /** Errors, and what the console says of errors and warnings. */
  readonly complaints: readonly string[];
}

export function watch(context: BrowserContext): Watched {
  const requested: string[] = [];
  const complaints: string[] = [];
  context.on('request', (request) => requested.push(request.url()));
  context.on('weberror', (error) => complaints.push(String(error.error())));
  context.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text());
  });
  context.on('page', (page) => page.on('websocket', (socket) => requested.push(socket.url())));
  return { requested, complaints };
}
