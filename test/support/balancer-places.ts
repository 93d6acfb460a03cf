import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { Balancer, BalancerProgram, Gateways } from './balancers.ts';
import { freePort } from './free-port.ts';

/** On a developer's machine a missing program skips what needs it; in CI it fails, or nobody would ever know. */
export function isSkipped({ name, missing }: BalancerProgram): boolean {
  if (missing === undefined || process.env['CI']) return false;
  console.warn(`Tests behind ${name} are skipped: ${missing}`);
  return true;
}

/** Starts a balancer before gateways until the test ends. */
export async function startUntilEnd(
  program: BalancerProgram,
  gateways: Gateways,
): Promise<Balancer & { readonly folder: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'balancer-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const balancer = await program.start({ folder, port: await freePort(), gateways });
  onTestFinished(() => balancer.stop());
  return { ...balancer, folder };
}
