import type { CodegenConfig } from '@graphql-codegen/cli';

/** The operations of test/client; those that have failed or never ran are told apart by `null`, so nothing is masked. */
const clientOperations = {
  documents: 'test/client/*.graphql',
  preset: 'client',
  presetConfig: { fragmentMasking: false },
} as const;
const clientTypes = {
  scalars: { ID: 'string', Date: 'string', DateTime: 'string' },
  strictScalars: true,
  enumsAsTypes: true,
  useTypeImports: true,
  immutableTypes: true,
};

const config: CodegenConfig = {
  schema: 'schema.graphql',
  importExtension: '.ts',
  generates: {
    'src/graphql/types.generated.ts': {
      plugins: [
        { add: { content: '// Generated from schema.graphql by `npm run codegen`. Do not edit.' } },
        'typescript',
        'typescript-resolvers',
      ],
      config: {
        contextType: './context.ts#GatewayContext',
        mappers: {
          Transfer: './parents.ts#TransferParent',
          Backfill: './parents.ts#BackfillParent',
          BackfillList: './parents.ts#BackfillListParent',
          BackfillRunError: '../upstream/rest/records.ts#BackfillRunErrorRecord',
        },
        scalars: {
          ID: { input: 'string', output: 'string' },
          Date: 'string',
          DateTime: 'string',
        },
        // An item of a list may be a promise of null.
        maybeValue: 'T extends PromiseLike<infer U> ? Promise<U | null> : T | null',
        strictScalars: true,
        enumsAsTypes: true,
        useTypeImports: true,
        immutableTypes: true,
        useIndexSignature: false,
        defaultMapper: undefined,
      },
    },
    // As texts, for clients that send them as they are.
    'test/client/generated/': { ...clientOperations, config: { ...clientTypes, documentMode: 'string' } },
    // As syntax trees, for clients that keep a cache.
    'test/client/generated/trees/': { ...clientOperations, config: clientTypes },
  },
};

export default config;
