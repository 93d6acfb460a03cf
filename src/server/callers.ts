import { createHmac, randomBytes } from 'node:crypto';
import { isResourceId, type ResourceId } from '../ids.ts';
import { parseCredential } from '../upstream/credentials.ts';
import type { NameCaller } from './plugins/request-state.ts';

/** Whoever sends no usable credential, all of them together. No credential has this id. */
const NOBODY = 'nobody';

/** Names who bears what a request costs: by the id of the credential in the header `Authorization`. */
export function callerOf(authorization: string | undefined): string {
  return (authorization === undefined ? undefined : parseCredential(authorization)?.id) ?? NOBODY;
}

export interface CallerNaming {
  readonly nameToken: TokenNames;
  /** The token in an `Authorization` header, if it is one that may be forwarded. */
  readonly tokenIn: (authorization: string) => string | undefined;
  /** The team of requests that name none. */
  readonly defaultTeamId: ResourceId | undefined;
}

/** Names a token by twelve characters that do not tell it. */
export type TokenNames = (token: string) => string;

/** 72 bits: no two callers of a gateway have the same. */
const NAME_LENGTH = 12;

/**
 * Names tokens by a hash with a key, since tokens of little entropy could be guessed from a plain hash. Without a secret
 * the key is random, and the names are those of this process alone.
 * @param secret whoever knows it can tell whether a name is that of a token, and so can name the same token elsewhere
 */
export function nameTokens(secret?: string): TokenNames {
  const key = secret ?? randomBytes(32);
  return (token) => createHmac('sha256', key).update(token).digest('base64url').slice(0, NAME_LENGTH);
}

/** Names callers in the log without their tokens. */
export function nameCallers({ nameToken, tokenIn, defaultTeamId }: CallerNaming): NameCaller {
  return (headers) => {
    const token = tokenIn(headers.authorization ?? '');
    const team = headers['x-team-id'] ?? defaultTeamId;
    return {
      ...(token !== undefined && { caller: nameToken(token) }),
      // What is no id could be anything, a token that stands in the wrong header included.
      ...(typeof team === 'string' && isResourceId(team) && { teamId: team }),
    };
  };
}
