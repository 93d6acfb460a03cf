import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';

/** A caller's bearer credential, checked but not verified: only the REST API can say what it may do. */
export interface Credential {
  /** The `Authorization` header as it came, to be forwarded unchanged. */
  readonly authorization: string;
  /** The secret in it, to be scrubbed from whatever is passed on. */
  readonly token: string;
  /** Names what is kept for this credential without naming the credential: a SHA-256, and a count of refusals. */
  readonly partition: string;
}

export interface Credentials {
  /** Undefined unless the header is `Bearer` and one token of visible ASCII characters. */
  parse(authorization: string): Credential | undefined;
  /** After a 401: everything kept under the credential's partition becomes unreachable. */
  refuse(credential: Credential): void;
}

const BEARER = /^bearer +([\x21-\x7e]+)$/i;
const MAX_CREDENTIALS = 10_000;

export function createCredentials(): Credentials {
  // Hashing costs more than the rest of a cached read, and the same few tokens come again and again.
  const partitions = new LRUCache<string, string>({ max: MAX_CREDENTIALS });
  const refusals = new LRUCache<string, number>({ max: MAX_CREDENTIALS });

  function partitionOf(token: string): string {
    const hash = createHash('sha256').update(token).digest('base64url');
    const partition = `${hash}.${refusals.get(hash) ?? 0}`;
    partitions.set(token, partition);
    return partition;
  }

  return {
    parse(authorization) {
      const token = BEARER.exec(authorization)?.[1];
      if (token === undefined) return undefined;
      return { authorization, token, partition: partitions.get(token) ?? partitionOf(token) };
    },

    refuse({ partition, token }) {
      const [hash = '', count] = partition.split('.');
      refusals.set(hash, Number(count) + 1);
      partitions.delete(token);
    },
  };
}
