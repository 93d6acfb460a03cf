import type { ExecutionResult, GraphQLError, GraphQLResolveInfo } from 'graphql';
import type { BackfillSnapshot } from '../upstream/cache/snapshots.ts';
import type { BackfillRecord } from '../upstream/rest/records.ts';
import type { AnswerEstimate } from './answer-estimate.ts';
import type { GatewayContext } from './context.ts';
import { limitExceeded, overloaded, turnedAway } from './errors.ts';
import { FailedField } from './failed-field.ts';
import type { AnswerSize } from './selection-sizes.ts';

/** The largest answer: of the bytes of its JSON, and of the fields that are resolved for it. */
export const MAX_ANSWER: AnswerSize = { fields: 120_000, bytes: 16 * 1024 * 1024 };

/** Reports of more bytes make an answer for which room is reserved, before it takes a tenth of a second to be written. */
const LARGE_BYTES = 1024 * 1024;

/** Room for an answer among all that are not sent yet. */
export interface AnswerRoom {
  /** @returns whether there is room for so many bytes */
  reserve(bytes: number): boolean;
}

/**
 * What is left of an operation's answer. It is spent before the answer is made: first what the document and the lengths
 * of its lists tell, then the error report of each backfill when the backfill is known. Once too much was asked for,
 * resolvers give null instead of backfills, since nothing of the answer will leave.
 */
export class AnswerBudget {
  readonly #estimate: AnswerEstimate;
  readonly #max: AnswerSize;
  readonly #room: AnswerRoom | undefined;
  #fields: number;
  #bytes: number;
  #reportBytes = 0;
  #foundRoom = true;

  /** @param room where the answer leaves as a whole */
  constructor(estimate: AnswerEstimate, max: AnswerSize, room?: AnswerRoom) {
    this.#estimate = estimate;
    this.#max = max;
    this.#room = room;
    this.#fields = max.fields - estimate.fields;
    this.#bytes = max.bytes - estimate.bytes;
  }

  get isExceeded(): boolean {
    return this.#fields < 0 || this.#bytes < 0 || !this.#foundRoom;
  }

  /** Gives the next event of a subscription a budget of its own. */
  beginEvent(): void {
    this.#fields = this.#max.fields - this.#estimate.fields;
    this.#bytes = this.#max.bytes - this.#estimate.bytes;
  }

  /**
   * Spends the report of a backfill, as often as the field that gives the backfill has it selected.
   * @returns the backfill, or null where it does not fit any more
   */
  admit<Snapshot extends BackfillSnapshot>(
    snapshot: Snapshot,
    { fieldNodes: [node] }: GraphQLResolveInfo,
  ): Snapshot | null {
    const { error_report } = snapshot.record;
    const shape = node === undefined ? undefined : this.#estimate.reports.get(node);
    if (shape !== undefined && error_report.length > 0 && !this.isExceeded) {
      const bytes = error_report.length * shape.bytes + shape.texts * textBytesOf(error_report);
      this.#fields -= error_report.length * shape.fields;
      this.#bytes -= bytes;
      this.#reportBytes += bytes;
      if (this.#room && this.#reportBytes > LARGE_BYTES) {
        this.#foundRoom = this.#room.reserve(this.#reportBytes);
      }
    }
    return this.isExceeded ? null : snapshot;
  }

  /** `REQUEST_LIMIT_EXCEEDED`, with what was too much, or `UPSTREAM_UNAVAILABLE` where there was no room. */
  error(): GraphQLError {
    if (!this.#foundRoom) return noRoomForAnswer();
    if (this.#fields >= 0) return answerTooLarge();
    return limitExceeded(
      `The answer would need more than ${this.#max.fields} fields to be resolved; ask for fewer items or fields at once.`,
    );
  }

  /** The result in the place of the answer. */
  refusal(): ExecutionResult {
    const errors = [this.error()];
    return this.#foundRoom ? { data: null, errors } : { errors };
  }
}

const NO_ROOM = 'Too many answers wait to be read at the moment.';

/** `UPSTREAM_UNAVAILABLE` for an answer that would have to wait with too many others; over HTTP with the status 503. */
export function noRoomForAnswer(): GraphQLError {
  return turnedAway(NO_ROOM);
}

/** The same for an event, which has no status of its own. */
export function noRoomForEvent(): GraphQLError {
  return overloaded(NO_ROOM);
}

/** `REQUEST_LIMIT_EXCEEDED` for an answer, or an event, of too many bytes. */
export function answerTooLarge(): GraphQLError {
  return limitExceeded(
    `The answer would be larger than ${MAX_ANSWER.bytes} bytes; ask for fewer items or fields at once.`,
  );
}

type ErrorReport = BackfillRecord['error_report'];

const textBytes = new WeakMap<ErrorReport, number>();

/** Bytes of the JSON strings of all texts. A report is counted once, however often it is asked for. */
function textBytesOf(report: ErrorReport): number {
  let bytes = textBytes.get(report);
  if (bytes === undefined) {
    bytes = 0;
    for (const { error } of report) bytes += Buffer.byteLength(JSON.stringify(error));
    textBytes.set(report, bytes);
  }
  return bytes;
}

/**
 * The backfill that is read, or null where its report would make the answer too large. Rejects with a
 * {@link FailedField}.
 * @param index of the item, where the field is a list
 */
export function withinAnswer(
  reading: BackfillSnapshot | null | Promise<BackfillSnapshot | null>,
  { answer }: Pick<GatewayContext, 'answer'>,
  info: GraphQLResolveInfo,
  index?: number,
): BackfillSnapshot | null | Promise<BackfillSnapshot | null> {
  const admit = (snapshot: BackfillSnapshot | null): BackfillSnapshot | null =>
    snapshot === null || answer === undefined ? snapshot : answer.admit(snapshot, info);
  if (!(reading instanceof Promise)) return admit(reading);
  return reading.then(admit, (thrown: unknown) => {
    throw FailedField.at(info, thrown, index);
  });
}
