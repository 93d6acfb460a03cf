import type { FieldNode } from 'graphql';
import type { GatewayContext } from '../../graphql/context.ts';
import { type FailedField, withoutStack } from '../../graphql/failed-field.ts';
import type { RowSelection } from './row-texts.ts';

/** The context of an operation that is run by its plan. */
export interface PlanContext extends GatewayContext {
  readonly rows: readonly Row[];
  /** The items of lists that failed, which the plan has as null. */
  readonly failedItems: FailedField[];
  /** Whether a field without which there is no answer has failed, so that no further one is begun. */
  isLost: boolean;
}

/** Thrown by fields that are not begun. */
export const NOT_BEGUN = withoutStack(() => new Error('not begun'));

/** A place of an operation that gives backfills as text. */
export interface Row {
  readonly selection: RowSelection;
  /** The field as it stands in the document of the client. */
  readonly field: FieldNode;
}
