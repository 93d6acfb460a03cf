import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Certificate {
  /** Path of the certificate. */
  readonly path: string;
  readonly key: Buffer;
  readonly cert: Buffer;
}

/** Writes `certificate.pem`, a certificate for `localhost` that it signed itself, and its `key.pem`. */
export function writeCertificate(folder: string): Certificate {
  const [key, path] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost'];
  const files = ['-keyout', key, '-out', path];
  execFileSync(
    'openssl',
    ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', ...files, ...subject],
    { stdio: 'pipe' },
  );
  return { path, key: readFileSync(key), cert: readFileSync(path) };
}
