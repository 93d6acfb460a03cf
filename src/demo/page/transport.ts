import { createClient } from 'graphql-ws/client';
import {
  type Answer,
  type Cost,
  type Failure,
  failureOf,
  type GatewayError,
  type LiveData,
  UNREACHABLE,
} from './answers.ts';
import type { Operation } from './operations.ts';
import type { PageSettings } from './settings.ts';

/** The way to the gateway: queries and mutations by `fetch`, the live list by a WebSocket. */
export interface Transport {
  /** @throws {Error} where the gateway does not answer */
  ask<Data>(operation: Operation<Data>, variables: Readonly<Record<string, unknown>>): Promise<Answer<Data>>;
  /** Subscribes to the live list, for ever. */
  follow(operation: Operation<LiveData>, sink: Sink): void;
}

export interface Sink {
  /** @param isFirst whether it is the first event of a subscription, which has everything */
  next(data: LiveData, isFirst: boolean): void;
  /** The connection is away, and comes back by itself. */
  lost(): void;
  /** The subscription has ended with an error, and begins again after so many seconds. */
  failed(failure: Failure, againInSeconds: number): void;
}

const RETRY_SECONDS = 5;
const RECONNECT_MS = 1_000;

export function createTransport({ token, teamId }: PageSettings, onCost: (cost: Cost) => void): Transport {
  // Relative to the page: a proxy may serve the demo below a path of its own.
  const url = new URL('graphql', document.baseURI);
  const caller = { Authorization: `Bearer ${token}`, 'X-Team-Id': teamId };

  return {
    async ask<Data>(operation: Operation<Data>, variables: Readonly<Record<string, unknown>>) {
      const response = await fetch(url, {
        method: 'POST',
        headers: { ...caller, 'Content-Type': 'application/json', 'X-Explain-Cost': '1' },
        body: JSON.stringify({ query: operation.text, variables }),
      });
      const { data = null, errors = [], extensions } = (await response.json()) as Body<Data>;
      if (extensions?.upstream !== undefined) onCost(extensions.upstream);
      return { data, errors };
    },

    follow(operation, sink) {
      let isFirst = true;
      const client = createClient({
        url: new URL(url.href.replace(/^http/, 'ws')).href,
        connectionParams: caller,
        retryAttempts: Infinity,
        shouldRetry: () => true,
        retryWait: () => pause(RECONNECT_MS),
        on: {
          connected: () => {
            isFirst = true;
          },
          closed: () => sink.lost(),
        },
      });

      const begin = (): void => {
        isFirst = true;
        let failure: Failure | undefined;
        const again = (): void => {
          const seconds = Math.min(failure?.retryAfterSeconds ?? RETRY_SECONDS, RETRY_SECONDS);
          if (failure !== undefined) sink.failed(failure, seconds);
          setTimeout(begin, seconds * 1_000);
        };
        client.subscribe<LiveData>(
          { query: operation.text },
          {
            next({ data, errors }) {
              const [error] = (errors ?? []) as unknown as readonly GatewayError[];
              if (error !== undefined) failure = failureOf(error, [error]);
              if (data === null || data === undefined) return;
              sink.next(data, isFirst);
              isFirst = false;
            },
            error(reason) {
              failure = failureFrom(reason);
              again();
            },
            complete: again,
          },
        );
      };
      begin();
    },
  };
}

interface Body<Data> {
  readonly data?: Data | null;
  readonly errors?: readonly GatewayError[];
  readonly extensions?: { readonly upstream?: Cost };
}

/** graphql-ws hands over the errors of the operation, or what happened to the socket. */
function failureFrom(reason: unknown): Failure {
  if (!Array.isArray(reason)) return UNREACHABLE;
  const errors = reason as readonly GatewayError[];
  const [error] = errors;
  return error === undefined ? UNREACHABLE : failureOf(error, errors);
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, milliseconds));
}
