import js from '@eslint/js';
import graphql from '@graphql-eslint/eslint-plugin';
import tseslint from 'typescript-eslint';

/**
 * Rooms and what each may not import, so that imports run in one direction:
 * main, demo → process, gateway → server → graphql → upstream → leaves (cache, clock, config, ids, log, metrics).
 */
const room = (files, forbidden) => ({
  files,
  rules: {
    'no-restricted-imports': [
      'error',
      { patterns: forbidden.map(([group, message]) => ({ group: [group].flat(), message })) },
    ],
  },
});

const noProcess = [['node:process', 'process'], 'only process.ts touches the process'];
const noSandbox = ['**/sandbox/**', 'production code never imports the sandbox; the demo entry does'];
const noHttpClients = [['undici', 'ioredis'], 'graphql/ and server/ know nothing of the way to the upstream'];

export default tseslint.config(
  { ignores: ['dist/', 'src/graphql/types.generated.ts', 'test/client/generated/', 'test/artifacts/'] },
  {
    files: ['**/*.{js,ts}'],
    extends: [
      js.configs.recommended,
      tseslint.configs.strictTypeChecked,
      tseslint.configs.stylisticTypeChecked,
    ],
    languageOptions: { parserOptions: { projectService: { allowDefaultProject: ['eslint.config.js'] } } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      // GraphQL resolvers and HTTP hooks have the names their libraries give them, bound or not.
      '@typescript-eslint/unbound-method': 'off',
      'no-restricted-globals': ['error', { name: 'process', message: 'only process.ts touches the process' }],
    },
  },
  {
    files: ['src/**/*.ts'],
    rules: {
      'no-restricted-syntax': [
        'error',
        {
          selector: "MemberExpression[object.name='process'][property.name='env']",
          message: 'settings come from config.ts',
        },
      ],
    },
  },
  room(['src/*.ts'], [noProcess, noSandbox]),
  room(
    ['src/clock.ts', 'src/config.ts', 'src/ids.ts', 'src/log.ts', 'src/metrics.ts'],
    [
      [['./gateway.ts', './server/**', './graphql/**', './upstream/**'], 'a leaf imports no room'],
      noProcess,
      noSandbox,
    ],
  ),
  room(
    ['src/upstream/**/*.ts'],
    [
      [
        ['graphql', 'graphql-yoga', 'dataloader', '**/graphql/**'],
        'upstream/ speaks REST and knows no GraphQL',
      ],
      [['**/server/**', '**/gateway.ts', '**/config.ts'], 'upstream/ imports leaves only'],
      noProcess,
      noSandbox,
    ],
  ),
  room(
    ['src/graphql/**/*.ts'],
    [
      [['**/server/**', '**/gateway.ts', '**/config.ts'], 'graphql/ imports upstream/ and leaves only'],
      noHttpClients,
      noProcess,
      noSandbox,
    ],
  ),
  room(['src/graphql/error-codes.ts'], [['*', 'frontends import this file, so it imports nothing']]),
  room(
    ['src/server/**/*.ts'],
    [
      [['**/gateway.ts', '**/config.ts'], 'server/ imports graphql/, upstream/ and leaves only'],
      noHttpClients,
      noProcess,
      noSandbox,
    ],
  ),
  room(
    ['src/sandbox/**/*.ts'],
    [[['../*.ts', '**/server/**', '**/graphql/**', '**/upstream/**'], 'the sandbox stands alone']],
  ),
  { files: ['src/main.ts'], rules: {} },
  {
    files: ['src/process.ts'],
    rules: { 'no-restricted-imports': 'off', 'no-restricted-syntax': 'off' },
  },
  {
    files: ['src/demo/main.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: noProcess[0], message: noProcess[1] }] }],
    },
  },
  {
    files: ['test/**/*.ts', 'codegen.ts'],
    rules: {
      'no-restricted-globals': 'off',
      // The asymmetric matchers of expect are typed as any.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [{ from: 'package', name: ['describe', 'it', 'test'], package: 'vitest' }],
        },
      ],
    },
  },
  {
    files: ['schema.graphql'],
    languageOptions: {
      parser: graphql.parser,
      parserOptions: { graphQLConfig: { schema: 'schema.graphql' } },
    },
    plugins: { '@graphql-eslint': graphql },
    rules: {
      // Names, deprecations with reasons, no unreachable types, nothing defined twice.
      ...graphql.configs['flat/schema-recommended'].rules,
      '@graphql-eslint/require-description': [
        'error',
        {
          types: true,
          FieldDefinition: true,
          InputValueDefinition: true,
          EnumValueDefinition: true,
          DirectiveDefinition: true,
          // The root types are the schema itself; their fields say what they do.
          ignoredSelectors: ['[type=ObjectTypeDefinition][name.value=/^(Query|Mutation|Subscription)$/]'],
        },
      ],
      // One line has one pair of quotes, more have blocks.
      '@graphql-eslint/description-style': 'off',
      // A failed run has no id of its own in the REST API.
      '@graphql-eslint/strict-id-in-types': ['error', { exceptions: { types: ['BackfillRunError'] } }],
    },
  },
  {
    files: ['eslint.config.js'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
);
