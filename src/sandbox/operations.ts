import { envelope } from './answers.ts';
import type { Envelope } from './answers.ts';
import { readCreateBody, readStatusBody } from './bodies.ts';
import type { KnownRoute } from './routes.ts';
import type { TokenGrant } from './world/tokens.ts';
import type { WireBackfill } from './world/wire.ts';
import type { World } from './world/world.ts';

export type Outcome =
  | { readonly kind: 'data'; readonly data: WireBackfill | readonly WireBackfill[] }
  | { readonly kind: 'refused'; readonly status: 400 | 403 | 404 | 422; readonly body: Envelope };

const NO_BACKFILL = 'The requested backfill could not be found or you do not have access to it.';
const NO_TRANSFER = 'The requested transfer could not be found or you do not have access to it.';
const NO_LATEST =
  'No backfill has been created for this transfer yet, or the transfer does not exist or belong to your team.';

/** Performs an operation for a caller who may call it. It checks existence first, then the body. */
export function perform(world: World, route: KnownRoute, grant: TokenGrant, body: string): Outcome {
  const { teamId } = route;
  const teamIsTheirs = world.hasTeam(grant, teamId);
  switch (route.operation) {
    case 'listIncompleteBackfills':
      return teamIsTheirs ? found(world.incomplete(teamId)) : forbidden();
    case 'getBackfillById':
      return foundOr(NO_BACKFILL, teamIsTheirs ? world.getBackfill(teamId, route.id) : undefined);
    case 'getLatestBackfill':
      return foundOr(NO_LATEST, teamIsTheirs ? world.latest(teamId, route.id) : undefined);
    case 'createBackfill':
      if (!teamIsTheirs || !world.hasTransfer(teamId, route.id)) return notFound(NO_TRANSFER);
      return create(world, teamId, route.id, body, grant.userId);
    case 'updateBackfillStatus':
      if (!teamIsTheirs || !world.getBackfill(teamId, route.id)) return notFound(NO_BACKFILL);
      return cancel(world, teamId, route.id, body, grant.userId);
  }
}

/** The published documents name several codes for this status, so the sandbox uses both. */
export function forbidden(code: 'FORBIDDEN' | 'ACCESS_DENIED' = 'FORBIDDEN', why?: string): Outcome {
  return refused(403, envelope(code, 'You do not have access to this resource.', why));
}

export function invalidParameter(name: string): Outcome {
  const why = `The path parameter '${name}' must be a positive 64-bit integer.`;
  return refused(400, envelope('INVALID_PARAMETER', 'A parameter of the request is not valid.', why));
}

function create(world: World, teamId: string, transferId: string, body: string, userId?: string): Outcome {
  const read = readCreateBody(body);
  if (!read.ok) return badRequest(read.why);
  const result = world.createBackfill(teamId, transferId, read.value, userId);
  switch (result.kind) {
    case 'created':
      return found(result.backfill);
    case 'no-such-transfer':
      return notFound(NO_TRANSFER);
    case 'range-reversed':
      return unprocessable('VALIDATION_FAILED', "The 'range_end' must not be before 'range_start'.");
    case 'overlap':
      return unprocessable(
        'UNPROCESSABLE_ENTITY',
        `The date range overlaps with the active backfill ${result.activeId}.`,
      );
  }
}

function cancel(world: World, teamId: string, id: string, body: string, userId?: string): Outcome {
  const read = readStatusBody(body);
  if (!read.ok) return badRequest(read.why);
  const result = world.cancelBackfill(teamId, id, userId);
  switch (result.kind) {
    case 'cancelled':
      return found(result.backfill);
    case 'no-such-backfill':
      return notFound(NO_BACKFILL);
    case 'final':
      return unprocessable('CANNOT_CANCEL_BACKFILL', `The backfill is ${result.status} already.`);
  }
}

function found(data: WireBackfill | readonly WireBackfill[]): Outcome {
  return { kind: 'data', data };
}

function foundOr(why: string, data: WireBackfill | undefined): Outcome {
  return data === undefined ? notFound(why) : found(data);
}

function notFound(why: string): Outcome {
  return refused(404, envelope('NOT_FOUND', 'Not Found', why));
}

function badRequest(why: string): Outcome {
  return refused(400, envelope('BAD_REQUEST', 'The request was invalid.', why));
}

function unprocessable(code: string, why: string): Outcome {
  return refused(422, envelope(code, 'Validation failed for the request parameters.', why));
}

function refused(status: 400 | 403 | 404 | 422, body: Envelope): Outcome {
  return { kind: 'refused', status, body };
}
