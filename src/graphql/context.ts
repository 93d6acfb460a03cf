import type { ResourceId } from '../ids.ts';
import type { CachedClient, Reader } from '../upstream/cached-client.ts';
import type { Credential, Credentials } from '../upstream/credentials.ts';
import { Tally } from '../upstream/tally.ts';
import { badUserInput, unauthenticated } from './errors.ts';
import { resourceId } from './input.ts';
import { createLoaders, type Loaders } from './loaders.ts';
import type { Watch } from './watch.ts';

/** What the HTTP request says about its caller, header values as they came. */
export interface RequestFacts {
  readonly requestId: string;
  readonly traceparent: string | undefined;
  readonly authorization: string | null;
  /** The header `X-Team-Id`. */
  readonly teamId: string | null;
  /** Whether `Cache-Control: no-cache` asks to read past the cache. */
  readonly noCache: boolean;
}

/** What resolvers may use; made anew for each operation. */
export interface GatewayContext {
  /** @throws {GraphQLError} `UNAUTHENTICATED` when the caller sent no usable credential */
  reader(): Reader;
  /** @throws {GraphQLError} `UNAUTHENTICATED` when the caller sent no usable credential */
  loaders(): Loaders;
  /**
   * The team to read for: the argument, else the header `X-Team-Id`, else the gateway's default.
   * @throws {GraphQLError} `BAD_USER_INPUT` when there is none, or the one that counts is malformed
   */
  teamId(argument: string | null | undefined): ResourceId;
  readonly watch: Pick<Watch, 'open'>;
  /**
   * Forgets what was read and what it cost. The context of a subscription lives as long as its stream, so without this
   * each event would be answered with what was read for the first one, and all events together would share one limit.
   */
  beginEvent(): void;
  /** Of this operation; of a subscription, of its start. */
  readonly tally: Tally;
}

export interface ContextDeps {
  readonly client: CachedClient;
  readonly watch: Pick<Watch, 'open'>;
  readonly credentials: Credentials;
  readonly defaultTeamId: ResourceId | undefined;
  readonly maxCallsPerOperation: number;
}

export function createContextFactory(deps: ContextDeps): (facts: RequestFacts) => GatewayContext {
  const { client, watch, credentials, defaultTeamId, maxCallsPerOperation } = deps;

  return ({ authorization, teamId: header, requestId, traceparent, noCache }) => {
    let tally = new Tally(maxCallsPerOperation);
    let loaders: Loaders | undefined;

    function reader(): Reader {
      return {
        caller: { credential: readCredential(authorization, credentials), requestId, traceparent },
        mode: { kind: noCache ? 'refresh' : 'fresh' },
        tally,
      };
    }

    return {
      watch,
      reader,

      tally,

      loaders() {
        loaders ??= createLoaders(client, reader());
        return loaders;
      },

      beginEvent() {
        tally = new Tally(maxCallsPerOperation);
        loaders = undefined;
      },

      teamId(argument) {
        if (argument != null) return resourceId(argument, 'The argument "teamId"');
        if (header !== null) return resourceId(header, 'The header X-Team-Id');
        if (defaultTeamId !== undefined) return defaultTeamId;
        throw badUserInput('No team: send the header X-Team-Id or the argument "teamId".');
      },
    };
  };
}

function readCredential(authorization: string | null, credentials: Credentials): Credential {
  if (authorization === null)
    throw unauthenticated('No credential: send the header "Authorization: Bearer <token>".');
  const credential = credentials.parse(authorization);
  if (credential !== undefined) return credential;
  throw unauthenticated(
    'The header Authorization must be "Bearer" and one token of visible ASCII characters.',
  );
}
