import { type KnownStatus, STATUSES, type StatusFacts } from '../../upstream/rest/statuses.ts';
import { badUserInput } from '../errors.ts';
import type { BackfillParent } from '../parents.ts';
import type { BackfillStatus } from '../types.generated.ts';

type SchemaStatus = Exclude<BackfillStatus, 'UNKNOWN'>;

/** Compiles only while the table of the REST API's statuses has every status of the schema. */
const FACTS = STATUSES satisfies Readonly<Record<SchemaStatus, StatusFacts>>;

/** `UNKNOWN` for a status that the schema does not have. */
export function statusOf({ record: { status } }: Pick<BackfillParent, 'record'>): BackfillStatus {
  return isKnown(status) ? status : 'UNKNOWN';
}

function isKnown(status: string): status is KnownStatus {
  return Object.hasOwn(FACTS, status);
}

/**
 * The statuses by which a list of incomplete backfills is filtered.
 * @throws {GraphQLError} `BAD_USER_INPUT` naming those that the list cannot hold, or the exceeded `max`
 */
export function listedStatuses(
  statuses: readonly BackfillStatus[],
  max: number,
): ReadonlySet<BackfillStatus> {
  if (statuses.length > max) {
    throw badUserInput(`The argument "statuses" takes at most ${max} statuses; got ${statuses.length}.`);
  }
  const mayBeListed = (status: BackfillStatus): boolean => status === 'UNKNOWN' || FACTS[status].listed;
  const over = new Set(statuses.filter((status) => !mayBeListed(status)));
  if (over.size === 0) return new Set(statuses);
  const listed = [...Object.keys(FACTS), 'UNKNOWN'].filter((status) => mayBeListed(status as BackfillStatus));
  throw badUserInput(
    `The list holds no backfills of the status ${[...over].join(' or ')}; "statuses" may name ${listed.join(', ')}.`,
  );
}
