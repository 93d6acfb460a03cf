import { existsSync } from 'node:fs';
import { type Browser, chromium } from 'playwright-core';

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
