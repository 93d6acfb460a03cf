import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GraphQLSchema } from 'graphql';
import { AnswerBudget, MAX_ANSWER } from '../../graphql/answer-budget.ts';
import { estimateAnswer } from '../../graphql/answer-estimate.ts';
import type { CallerFacts, GatewayContext } from '../../graphql/context.ts';
import type { Answering } from '../answering.ts';
import { createFail } from '../failures.ts';
import { findFault } from '../plugins/exact-integers.ts';
import { MAX_NAME } from '../plugins/request-log.ts';
import { beginState, readsPastCache, type ReceivedBody, roomOf } from '../plugins/request-state.ts';
import type { TrustedDocuments } from '../plugins/trusted-documents.ts';
import { type AnswersDeps, createAnswers } from './answers.ts';
import { type Asked, askedBy, mediaTypeOf } from './known-requests.ts';
import type { Plan, Plans } from './plans.ts';
import type { PlanContext } from './plan-context.ts';

/**
 * Answers nearly all requests without yoga: queries that come as JSON or by GET, whose text has a plan.
 *
 * An answer is the same as yoga's, byte for byte, whichever of the two gives it. So none of these is left out:
 * - Limits. Bodies, requests under way, turns and shares come before both engines. A text gets a plan only if it passes the
 *   limits and the rules of any operation; variables and the size of the answer are looked at for each request.
 * - Authority and isolation. Values come from the resolvers alone, which ask upstream/ with the request's own context. A
 *   row's text is found by the value that a resolver has given, see row-texts.ts.
 * - Errors: each passes the same function, which gives it its code, masks it, counts and logs it.
 * - Freshness and cost: the context counts them, and `Cache-Control` says what it did.
 * - Room: the bytes of each answer count among those that are not sent yet.
 * - The request's id, the security headers, `Vary`, the log line and the metrics.
 * What is not sure goes to yoga before anything is done for it: there is one place that says no, refuses and explains.
 */
export interface Front {
  readonly answer: Answering;
  /** Makes the plans of the trusted documents. */
  warm(): Promise<void>;
  /** How much it keeps. */
  size(): ReturnType<Plans['size']>;
}

/** When a text gets its plan. What comes once is parsed, validated and executed by yoga in less time than a plan takes. */
export type PlanningAt = 'first use' | 'second use' | 'never';

export interface FrontDeps extends AnswersDeps {
  readonly schema: GraphQLSchema;
  readonly createContext: (facts: CallerFacts) => GatewayContext;
  readonly trustedDocuments: TrustedDocuments | undefined;
  /** Of the texts of rows together. */
  readonly maxTextBytes: number;
  readonly planningAt: PlanningAt;
}

const NOTHING = { entries: 0, bytes: 0 };

/** @param yoga answers what the front does not */
export function createFront(deps: FrontDeps, yoga: Answering): Front {
  const { schema, createContext, unsentAnswers, trustedDocuments, planningAt, clock, nameCaller, tracing } =
    deps;
  const answers = createAnswers(deps);
  const failRequest = createFail(deps);
  let answered = 0;
  deps.metrics.total(
    'planned_requests_total',
    'Requests that were answered by a compiled query.',
    () => answered,
  );
  let plans: Plans | undefined;
  let loading: Promise<void> | undefined;

  /** The compiler takes a tenth of a second to load, so it comes after the gateway's start. */
  function load(): Promise<void> {
    loading ??= import('./plans.ts').then(({ createPlans }) => {
      plans = createPlans(schema, deps.maxTextBytes, planningAt === 'first use' ? 1 : 2);
    });
    return loading;
  }

  /** Undefined where the text has no plan yet, or yoga is to refuse the request. */
  function planOf({ query, documentId, operationName, variables }: Asked): Plan | undefined {
    // Where documents are trusted they come by their ids alone, and elsewhere none has an id.
    if ((query === undefined) !== (trustedDocuments !== undefined)) return undefined;
    const text = query ?? trustedDocuments?.get(documentId ?? '');
    const plan = text === undefined ? undefined : plans?.find(text, operationName);
    return plan === undefined || findFault(variables) !== undefined ? undefined : plan;
  }

  /** @returns whether it answers the request */
  function begin(
    request: IncomingMessage,
    response: ServerResponse,
    caller: string,
    mediaType: string,
    bytes: Buffer | undefined,
  ): boolean {
    const asked = askedBy(request, bytes);
    const plan = asked && planOf(asked);
    const estimate = plan && estimateAnswer(schema, plan.document, asked.operationName, asked.variables);
    if (!plan || !estimate) return false;
    if (estimate.fields > MAX_ANSWER.fields || estimate.bytes > MAX_ANSWER.bytes) return false;

    const trace = tracing?.operation(request.headers, request);
    const state = beginState(request.headers, clock.monotonic(), nameCaller, trace);
    const { authorization, 'x-team-id': team } = request.headers;
    const context: PlanContext = Object.assign(
      createContext({
        requestId: state.requestId,
        traceparent: state.traceparent,
        trace,
        authorization: authorization ?? null,
        teamId: typeof team === 'string' ? team : null,
        costQuestion: 'none',
        noCache: readsPastCache(request.headers['cache-control']),
      }),
      { failedItems: [], isLost: false },
    );
    if (estimate.reports.size > 0) {
      const room = { reserve: (size: number) => roomOf(state, unsentAnswers, caller).set(size) };
      context.answer = new AnswerBudget(estimate, MAX_ANSWER, room);
    }
    const running = { request, response, state, caller, mediaType, context };
    const operation = { type: 'query', name: plan.operation.name?.value.slice(0, MAX_NAME) };
    trace?.begin(operation);
    const result = plan.run(undefined, context, asked.variables);
    // Variables that do not fit: nothing was resolved, and yoga says what is wrong with them.
    if (!(result instanceof Promise) && result.data === undefined) return false;
    state.operation = operation;
    state.cost = context.cost;
    response.once('close', () => state.room?.release());
    answered++;
    if (result instanceof Promise) {
      result.then(
        (done) => {
          answers.finish(running, done);
        },
        (thrown: unknown) => {
          answers.fail(running, thrown);
        },
      );
    } else answers.finish(running, result);
    return true;
  }

  return {
    answer(request, response, caller, becomesStream, received) {
      const mediaType = planningAt === 'never' ? undefined : mediaTypeOf(request);
      if (mediaType === undefined) {
        yoga(request, response, caller, becomesStream, received);
        return;
      }
      const bytes = received?.take();
      const answer = (): void => {
        try {
          if (begin(request, response, caller, mediaType, bytes)) return;
        } catch (thrown) {
          failRequest(thrown, request, response);
          return;
        }
        yoga(request, response, caller, becomesStream, received && givenBack(received, bytes));
      };
      const loaded = load();
      if (planningAt === 'first use' && plans === undefined) void loaded.then(answer);
      else answer();
    },

    size: () => plans?.size() ?? { plans: NOTHING, rows: NOTHING },

    async warm() {
      if (trustedDocuments === undefined || planningAt === 'never') return;
      await load();
      for (const text of trustedDocuments.values()) plans?.add(text);
    },
  };
}

/** A body that was taken, for whoever takes it next. */
function givenBack({ release }: ReceivedBody, bytes: Buffer | undefined): ReceivedBody {
  let left = bytes;
  return {
    take() {
      const taken = left;
      left = undefined;
      return taken ?? Buffer.alloc(0);
    },
    release,
  };
}
