import type { CodegenConfig } from '@graphql-codegen/cli';

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
    // What frontends install: the values as JSON has them, and no field that may be missing.
    'src/client/types.generated.ts': {
      plugins: [
        { add: { content: '// Generated from schema.graphql by `npm run codegen`. Do not edit.' } },
        'typescript',
      ],
      config: {
        scalars: { ID: 'string', Date: 'string', DateTime: 'string' },
        strictScalars: true,
        enumsAsConst: true,
        namingConvention: { enumValues: 'keep' },
        avoidOptionals: { field: true },
        skipTypename: true,
        immutableTypes: true,
      },
    },
    'test/client/generated/': {
      documents: 'test/client/*.graphql',
      preset: 'client',
      presetConfig: { fragmentMasking: false },
      config: {
        documentMode: 'string',
        scalars: { ID: 'string', Date: 'string', DateTime: 'string' },
        strictScalars: true,
        enumsAsTypes: true,
        useTypeImports: true,
        immutableTypes: true,
      },
    },
  },
};

export default config;
