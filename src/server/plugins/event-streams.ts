import type { GatewayPlugin } from './request-state.ts';

/** What a response has to be that goes on for as long as its client stays. */
export function useEventStreams(): GatewayPlugin {
  return {
    onResponse({ response, serverContext }) {
      if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) return;
      // nginx keeps answers back to send them on in larger pieces.
      response.headers.set('X-Accel-Buffering', 'no');
      serverContext.becomesStream?.();
    },
  };
}
