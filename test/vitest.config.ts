import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  // Node takes graphql's "main"; were the tests to take its "module", there would be two GraphQLErrors.
  resolve: { alias: [{ find: /^graphql$/, replacement: createRequire(import.meta.url).resolve('graphql') }] },
  test: {
    root: fileURLToPath(new URL('..', import.meta.url)),
    include: ['test/**/*.test.ts'],
    restoreMocks: true,
    testTimeout: 20_000,
    hookTimeout: 30_000,
    // A second is short on a busy machine, and whoever waits for what does not come fails anyway.
    expect: { poll: { timeout: 5_000 } },
  },
});
