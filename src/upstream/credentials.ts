import { hash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** A caller's bearer credential, checked but not verified: only the REST API can say what it may do. */
export interface Credential {
  /** The `Authorization` header as it came, to be forwarded unchanged. */
  readonly authorization: string;
  /** The secret in it, to be scrubbed from whatever is passed on. */
  readonly token: string;
  /** Names the credential wherever something is kept or counted for it: the SHA-256 of the token. */
  readonly id: string;
}

const BEARER = /^bearer +([\x21-\x7e]+)$/i;

/** The same few headers come again and again, and hashing costs a tenth of a cached read. */
const parsed = new LRUCache<string, Credential>({
  maxSize: 2 * 1024 * 1024,
  // In bytes: the header, the token in it, and the rest.
  sizeCalculation: (_credential, authorization) => 2 * authorization.length + 400,
});

/** Undefined unless the header is `Bearer` and one token of visible ASCII characters. */
export function parseCredential(authorization: string): Credential | undefined {
  const known = parsed.get(authorization);
  if (known !== undefined) return known;
  const token = BEARER.exec(authorization)?.[1];
  if (token === undefined) return undefined;
  const credential = { authorization, token, id: hash('sha256', token, 'base64url') };
  parsed.set(authorization, credential);
  return credential;
}
