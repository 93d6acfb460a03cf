import { dataAnswer, envelope, errorAnswer } from './answers.ts';
import type { Answer } from './answers.ts';
import { isInt64Id } from './world/int64.ts';
import { forbidden, invalidParameter, perform } from './operations.ts';
import type { Outcome } from './operations.ts';
import type { Quota } from './quota.ts';
import type { KnownRoute } from './routes.ts';
import type { TokenGrant } from './world/tokens.ts';
import type { World } from './world/world.ts';

export interface ApiRequest {
  readonly route: KnownRoute;
  readonly authorization: string | undefined;
  readonly body: string;
}

export type Api = (request: ApiRequest) => Answer;

const HOUR_SECONDS = 3_600;
/** The longest wait that the API documents, because rows come back with the plan's next period, not with the hour. */
const ROW_QUOTA_RETRY_SECONDS = 86_400;

/** The API itself, without sockets: a function from a request to its answer. */
export function createApi({ world, quota }: { readonly world: World; readonly quota: Quota }): Api {
  // The order of checks: authentication, quota, path parameters, permission, existence, body.
  function answer(request: ApiRequest): Answer {
    const token = bearerToken(request.authorization);
    if (token === undefined) return unauthenticated('UNAUTHORIZED', 'Authentication is required.');
    const grant = world.grantOf(token);
    if (grant === undefined) return unauthenticated('API_KEY_INVALID', 'The API key is not valid.');

    if (grant.limit === 'rate') return tooManyRequests(HOUR_SECONDS);
    if (grant.limit === 'rows') return outOfRows();
    const verdict = quota.take(token);
    if (verdict.kind === 'spent') return tooManyRequests(verdict.retryAfterSeconds);

    const outcome = answerKnownCaller(request, grant);
    return outcome.kind === 'data'
      ? dataAnswer(outcome.data)
      : errorAnswer(outcome.status, outcome.body, rateHeaders(verdict.remaining));
  }

  function answerKnownCaller({ route, body }: ApiRequest, grant: TokenGrant): Outcome {
    if (!isInt64Id(route.teamId)) return invalidParameter('team_id');
    if (route.id !== undefined && !isInt64Id(route.id)) return invalidParameter(idName(route));

    const writes = route.operation === 'createBackfill' || route.operation === 'updateBackfillStatus';
    if (grant.permissions === 'none') return forbidden('ACCESS_DENIED', 'Needs dwh.transfer.view.');
    if (grant.permissions === 'view' && writes) return forbidden('FORBIDDEN', 'Needs dwh.transfer.edit.');
    return perform(world, route, grant, body);
  }

  // Requests without a valid credential are not counted, so all of the quota is left.
  function unauthenticated(code: string, message: string): Answer {
    const headers = { 'www-authenticate': 'Bearer', ...rateHeaders(quota.limit) };
    return errorAnswer(401, envelope(code, message), headers);
  }

  function tooManyRequests(retryAfterSeconds: number): Answer {
    const body = envelope('TOO_MANY_REQUESTS', 'Rate limit exceeded. Retry later.');
    return errorAnswer(429, body, { 'retry-after': String(retryAfterSeconds), ...rateHeaders(0) });
  }

  function outOfRows(): Answer {
    const body = envelope('API_ROW_QUOTA_EXCEEDED', 'The row quota of the plan is used up.');
    const headers = { 'retry-after': String(ROW_QUOTA_RETRY_SECONDS), ...rateHeaders(quota.limit) };
    return errorAnswer(429, body, headers);
  }

  // An unlimited quota has no number to send.
  function rateHeaders(remaining: number): Readonly<Record<string, string>> {
    if (quota.limit === Infinity) return {};
    return { 'x-ratelimit-limit': String(quota.limit), 'x-ratelimit-remaining': String(remaining) };
  }

  return answer;
}

function idName(route: KnownRoute): string {
  return route.operation === 'getBackfillById' || route.operation === 'updateBackfillStatus'
    ? 'backfill_id'
    : 'transfer_id';
}

export function bearerToken(authorization: string | undefined): string | undefined {
  return /^bearer +(\S+)$/i.exec(authorization ?? '')?.[1];
}
