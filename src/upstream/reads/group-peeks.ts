import type { Clock } from '../../clock.ts';
import type { ResourceId } from '../../ids.ts';
import { AUTHORITY_MS } from '../cache/authority.ts';
import type { FreshnessOf } from '../cache/freshness.ts';
import type { TeamStore } from '../cache/store.ts';
import { UpstreamError } from '../errors.ts';
import type { Answered, Form, Peek } from '../replicas/group-reads.ts';
import { errorIn, textOfError } from '../replicas/sealed-errors.ts';
import type { IncompleteBackfills } from '../rest/backfill-data.ts';
import type { BackfillRecord } from '../rest/records.ts';
import { factsOf } from '../rest/statuses.ts';
import {
  isFreshEnough,
  isListGoodEnough,
  nameOf,
  type PendingRead,
  type ReadContext,
  sinceWhen,
} from './read.ts';

/** What an endpoint says of its resource; a 404 is an answer like any other. */
export type RecordAnswer = BackfillRecord | UpstreamError;

/** The name of the list within its team. */
export const LIST_NAME = 'list';

/** What readers of one replica take from the others, and what not. */
export interface GroupPeeks {
  ofRecord(store: TeamStore, read: PendingRead): Peek<RecordAnswer>;
  /** The same for what is not due at its own endpoint, however old: the team's list may confirm it. */
  ofVerified(store: TeamStore, read: PendingRead): Peek<RecordAnswer>;
  ofList(store: TeamStore, teamId: ResourceId, context: ReadContext): Peek<IncompleteBackfills>;
}

/** Those who wait for an answer get it from what is kept, whatever the lifetimes are. */
const LEAST_LIFE_MS = 2_000;

export function createGroupPeeks({
  freshness,
  clock,
}: {
  readonly freshness: FreshnessOf;
  readonly clock: Pick<Clock, 'monotonic'>;
}): GroupPeeks {
  /** Whether it is of the present: no refusal and no write is known since, and its authority is not over. */
  function isOfPresent(
    store: TeamStore,
    resource: PendingRead['resource'] | undefined,
    sentAt: number,
    holdsAt = sentAt,
  ): boolean {
    const hasAuthority = store.hasAuthority() || sentAt > clock.monotonic() - AUTHORITY_MS;
    return hasAuthority && store.isSinceChange(resource, holdsAt);
  }

  function ofRecord(store: TeamStore, { context, resource }: PendingRead): Peek<RecordAnswer> {
    const { credential } = context.caller;
    const { changingMs, finalMs } = freshness(credential.id);
    const lifeMs = (answer: RecordAnswer): number => {
      const isFinal =
        resource.kind === 'backfill' && !(answer instanceof UpstreamError) && factsOf(answer.status)?.final;
      return isFinal === true ? finalMs : changingMs;
    };
    return {
      credential,
      teamId: resource.teamId,
      resource: nameOf(resource),
      since: sinceWhen(context, clock.monotonic(), resource.kind === 'backfill' ? finalMs : changingMs),
      suits({ value, sentAt, answeredAt, holdsAt }: Answered<RecordAnswer>) {
        const freshUntil = answeredAt + lifeMs(value);
        const moments = { confirmedAt: answeredAt, verifiedAt: answeredAt, freshUntil };
        return (
          isFreshEnough(moments, context, clock.monotonic()) && isOfPresent(store, resource, sentAt, holdsAt)
        );
      },
      // The list may confirm the latest of a transfer for as long as its own endpoint is not due.
      form: {
        ...RECORD_FORM,
        lifeMs: (answer) => Math.max(LEAST_LIFE_MS, resource.kind === 'latest' ? finalMs : lifeMs(answer)),
      },
    };
  }

  return {
    ofRecord,

    ofVerified(store, read) {
      const { context, resource } = read;
      const { finalMs } = freshness(context.caller.credential.id);
      return {
        ...ofRecord(store, read),
        since: clock.monotonic() - finalMs,
        suits: ({ sentAt, answeredAt, holdsAt }) =>
          answeredAt + finalMs > clock.monotonic() && isOfPresent(store, resource, sentAt, holdsAt),
      };
    },

    ofList(store, teamId, context) {
      const { credential } = context.caller;
      const { changingMs } = freshness(credential.id);
      return {
        credential,
        teamId,
        resource: LIST_NAME,
        since: sinceWhen(context, clock.monotonic(), changingMs),
        suits({ sentAt, answeredAt: readAt }: Answered<IncompleteBackfills>) {
          const list = { readAt, freshUntil: readAt + changingMs };
          return isListGoodEnough(list, context, clock.monotonic()) && isOfPresent(store, undefined, sentAt);
        },
        form: { ...LIST_FORM, lifeMs: () => Math.max(LEAST_LIFE_MS, changingMs) },
      };
    },
  };
}

const RECORD_FORM: Omit<Form<RecordAnswer>, 'lifeMs'> = {
  write: (answer) =>
    answer instanceof UpstreamError ? `-${textOfError(answer)}` : `+${JSON.stringify(answer)}`,
  parse(text) {
    if (text.startsWith('-')) return errorIn(text.slice(1));
    // It was sealed by a replica, so it is a record that was read.
    return JSON.parse(text.slice(1)) as BackfillRecord;
  },
};

const LIST_FORM: Omit<Form<IncompleteBackfills>, 'lifeMs'> = {
  write: (list) => JSON.stringify(list),
  parse: (text) => JSON.parse(text) as IncompleteBackfills,
};
