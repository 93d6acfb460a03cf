// Subscriptions over SSE. In a frontend the import reads 'backfill-gateway-client'.
import type { SubscriptionForwarder } from '@urql/core';
import { createClient, type ExecutionResult } from 'graphql-sse';
import { ERROR_CODES, isGatewayError } from '../../../src/graphql/error-codes.ts';
import type { Caller } from './client.ts';

/**
 * For subscriptionExchange. graphql-sse asks again by itself when a connection breaks off, as at a restart of the
 * gateway; urql's own fetch does not.
 *
 * Each stream is a connection. Over HTTP/1.1 a browser has six of them to an origin, in all tabs together, so six streams
 * block every query: open one for a page, or take graphql-ws, or put HTTP/2 in front of the gateway.
 */
export function createStreams({ url, token }: Caller): SubscriptionForwarder {
  return ({ query = '', variables = {} }) => ({
    subscribe(sink) {
      let stop = (): unknown => undefined;
      let isStopped = false;
      /** The token of the open stream. */
      let used: string | undefined;
      const client = createClient({
        url,
        headers: async () => {
          used = await token();
          return { Authorization: `Bearer ${used}` };
        },
        retryAttempts: Infinity,
      });

      /** An event with errors and no data is the end of its stream, which is asked for again where that helps. */
      async function follow(): Promise<void> {
        for (let attempt = 1; !isStopped; attempt += 1) {
          const events = client.iterate({ query, variables });
          stop = () => events.return?.();
          let end: ExecutionResult<unknown, unknown> = {};
          for await (const event of events) {
            if (event.data) {
              attempt = 0;
              sink.next({ data: event.data });
            } else end = event;
          }
          const [error] = end.errors ?? [];
          if (error === undefined || !(await helpsToAskAgain(error, attempt))) {
            if (error !== undefined) sink.next({ errors: [error] });
            sink.complete();
            return;
          }
        }
      }

      async function helpsToAskAgain(error: unknown, attempt: number): Promise<boolean> {
        const code = isGatewayError(error) ? error.extensions.code : undefined;
        if (code === 'UNAUTHENTICATED') return (await token()) !== used;
        if (code === undefined || !ERROR_CODES[code].retryable) return false;
        await new Promise((resolve) => setTimeout(resolve, Math.min(1_000 * 2 ** attempt, 30_000)));
        return true;
      }

      follow().catch((error: unknown) => sink.error(error));
      return {
        unsubscribe() {
          isStopped = true;
          stop();
        },
      };
    },
  });
}
