// What a frontend imports as `backfill-gateway-client`. pack.ts makes one file of these, so they import nothing.
export * from '../graphql/error-codes.ts';
export * from './types.generated.ts';
