import { hash } from 'node:crypto';

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

/** Undefined unless the header is `Bearer` and one token of visible ASCII characters. */
export function parseCredential(authorization: string): Credential | undefined {
  const token = BEARER.exec(authorization)?.[1];
  return token === undefined ? undefined : { authorization, token, id: hash('sha256', token, 'base64url') };
}
