import type { GatewayPlugin } from './request-state.ts';

/** Prepares a response for lasting as long as its client stays. */
export function useEventStreams(): GatewayPlugin {
  return {
    onResponse({ response, serverContext }) {
      if (response.headers.get('content-type')?.startsWith('text/event-stream') !== true) return;
      // nginx would hold events back to send them on in larger pieces.
      response.headers.set('X-Accel-Buffering', 'no');
      serverContext.becomesStream?.();
      serverContext.body?.release();
    },
  };
}
