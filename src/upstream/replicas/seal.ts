import { createCipheriv, createDecipheriv, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Credential } from '../credentials.ts';

/**
 * Names and seals what replicas share, so that neither who reads Redis nor who writes it can do harm.
 *
 * - **A name** is an HMAC under our secret. Without the secret nobody can tell what it names, or whether a token that he
 *   knows is in use.
 * - **A value** is sealed by AES-256-GCM under a key from our secret and the caller's token. A dump of Redis opens with
 *   neither alone. We keep the tokens of callers no longer than their requests, so we cannot open it later either.
 * - **What it is bound to** is authenticated with it: its name, so that it cannot be moved, and what else has to hold, such
 *   as the marks of its time. Where one of them is another now, it does not open.
 *
 * A value that does not open is a miss. Who can write Redis can cause no more than that.
 */
export interface Seal {
  /** The names of one thing, by each secret. The first is by the present one, under which values are kept. */
  names(credential: Pick<Credential, 'id'>, ...parts: readonly string[]): readonly [string, ...string[]];
  /** @param boundTo what has to be the same when it is opened */
  seal(credential: Credential, text: string, boundTo: readonly string[]): Buffer;
  /** Undefined where it was not sealed by one of our secrets, for this credential, and bound to the same. */
  open(credential: Credential, sealed: Buffer, boundTo: readonly string[]): string | undefined;
}

/** What is written. Replicas of the next version read it beside their own. */
const FORMAT = 1;
const CIPHER = 'aes-256-gcm';
const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** 128 bits, so no two names are the same by chance. */
const NAME_BYTES = 16;
/** Keys are derived anew for a credential that has not come for as long. */
const MAX_CREDENTIALS = 10_000;

/** What follows from one secret. */
interface Secret {
  readonly naming: Buffer;
  /** Of each credential, by its id. */
  readonly keys: LRUCache<string, Buffer>;
  readonly text: string;
}

/**
 * @param secrets `CACHE_SECRET`: the present one, and the one before it where there is one
 * @param origin what values must never be shared across: the base URL of the REST API
 */
export function createSeal(secrets: readonly [string, ...string[]], origin: string): Seal {
  const [present, ...before] = secrets.map(secretOf);
  if (present === undefined) throw new Error('there is no secret to seal with');

  function keyOf({ keys, text }: Secret, { id, token }: Credential): Buffer {
    const known = keys.get(id);
    if (known !== undefined) return known;
    const key = derive(text, `value\0${token}`);
    keys.set(id, key);
    return key;
  }

  function nameBy({ naming }: Secret, parts: readonly string[]): string {
    return createHmac('sha256', naming)
      .update(joined([origin, ...parts]))
      .digest()
      .subarray(0, NAME_BYTES)
      .toString('base64url');
  }

  return {
    names({ id }, ...parts) {
      const named = [id, ...parts];
      return [nameBy(present, named), ...before.map((secret) => nameBy(secret, named))];
    },

    seal(credential, text, boundTo) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv(CIPHER, keyOf(present, credential), nonce);
      cipher.setAAD(joined([String(FORMAT), ...boundTo]));
      const body = [cipher.update(text, 'utf8'), cipher.final()];
      return Buffer.concat([Buffer.of(FORMAT), nonce, ...body, cipher.getAuthTag()]);
    },

    open(credential, sealed, boundTo) {
      const bodyAt = 1 + NONCE_BYTES;
      const tagAt = sealed.length - TAG_BYTES;
      if (tagAt < bodyAt || sealed[0] !== FORMAT) return undefined;
      const bound = joined([String(FORMAT), ...boundTo]);
      for (const secret of [present, ...before]) {
        const decipher = createDecipheriv(CIPHER, keyOf(secret, credential), sealed.subarray(1, bodyAt), {
          authTagLength: TAG_BYTES,
        });
        decipher.setAAD(bound);
        decipher.setAuthTag(sealed.subarray(tagAt));
        try {
          return decipher.update(sealed.subarray(bodyAt, tagAt), undefined, 'utf8') + decipher.final('utf8');
        } catch {
          // It was sealed by another secret, or for something else.
        }
      }
      return undefined;
    },
  };
}

function secretOf(text: string): Secret {
  const keys = new LRUCache<string, Buffer>({ maxSize: MAX_CREDENTIALS, sizeCalculation: () => 1 });
  return { naming: derive(text, 'name'), keys, text };
}

function derive(secret: string, use: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, '', `backfill-gateway\0${use}`, KEY_BYTES));
}

/** The parts with their lengths, so that no two lists of parts are the same text. */
function joined(parts: readonly string[]): Buffer {
  return Buffer.from(parts.map((part) => `${part.length}:${part}`).join(''));
}
