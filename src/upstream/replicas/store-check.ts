import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { NOT_CONNECTED, reasonOf } from './guarded-store.ts';

const CHECK_MS = 2_000;
const AGAIN_MS = 20;

/**
 * Looks whether Redis does what replicas need, by a step that gives back no lock. It does not report, so that nobody counts
 * this process as a replica.
 * @returns why it does not, and undefined where it does
 */
export async function troubleOf(url: URL): Promise<string | undefined> {
  // A static import would split the client off into a file of its own, beside that of the store.
  const { createRedisStore } = await import('./redis-store.ts');
  const store = createRedisStore({ url, replica: randomUUID() });
  const over = new AbortController();
  const timeUp = pause(CHECK_MS, 'timeout', { signal: over.signal });
  try {
    for (;;) {
      const step = store.release([]).then(() => undefined, reasonOf);
      const trouble = await Promise.race([step, timeUp]);
      if (trouble !== NOT_CONNECTED) return trouble;
      const next = await Promise.race([pause(AGAIN_MS), timeUp]);
      if (next !== undefined) return next;
    }
  } finally {
    over.abort();
    await store.close();
  }
}
