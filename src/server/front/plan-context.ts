import type { GatewayContext } from '../../graphql/context.ts';
import { type FailedField, withoutStack } from '../../graphql/failed-field.ts';

/** The context of an operation that is run by its plan. */
export interface PlanContext extends GatewayContext {
  /** The items of lists that failed, which the plan has as null. */
  readonly failedItems: FailedField[];
  /** Whether a field without which there is no answer has failed, so that no further one is begun. */
  isLost: boolean;
}

/** Thrown by fields that are not begun. */
export const NOT_BEGUN = withoutStack(() => new Error('not begun'));
