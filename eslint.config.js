import js from '@eslint/js';
import graphql from '@graphql-eslint/eslint-plugin';
import tseslint from 'typescript-eslint';

/**
 * Rooms and what each may not import, so that imports run in one direction:
 * main → serve, demo → process, running-gateway → gateway → server → graphql → upstream → leaves (clock, command-line, config, crowd, effective-config, ids, log, log-destination, metric-labels, metrics, package-files, plain-histogram, process-metrics, settings, shares, stacks, state-line, tracing/);
 * client (what frontends install) → graphql;
 * inside upstream: upstream.ts → writes → reads → cache → quota, rest → transport → errors, credentials.
 * A later entry replaces an earlier one for the files that both name, so each names everything that holds for it.
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

const noProcess = [['node:process', 'process'], 'only main.ts and process.ts touch the process'];
const noSandbox = [
  ['**/sandbox/**', '**/demo/**', '**/client/**'],
  'production code never imports the sandbox, the demo or what frontends install',
];
const noHttpClients = [['undici', 'ioredis'], 'graphql/ and server/ know nothing of the way to the upstream'];
const noUpper = [
  ['**/server/**', '**/gateway.ts', '**/running-gateway.ts', '**/config.ts'],
  'imports run downwards only',
];
const noTransport = [
  ['**/upstream/transport/**', '**/upstream/quota/**'],
  'graphql/ and server/ see reads, records and errors of upstream/, not how they are made',
];

/** What schema.graphql takes by `@link`. The linter declares it by itself only where that stands in an `extend schema`. */
const FEDERATION_SDL = `
  directive @link(url: String!, import: [String!]) repeatable on SCHEMA
  directive @key(fields: String!) repeatable on OBJECT
  directive @shareable repeatable on OBJECT | FIELD_DEFINITION
`;

/** Every room of upstream/, with those above it or beside it. */
const upstreamRoom = (name, ...above) =>
  room(
    [`src/upstream/${name}`],
    [
      [['graphql', 'graphql-yoga', '**/graphql/**'], 'upstream/ speaks REST and knows no GraphQL'],
      ['**/upstream.ts', 'the face of upstream/ joins its rooms, which do not know it'],
      ...(above.length === 0 ? [] : [[above.map((room) => `**/${room}/**`), 'imports run downwards only']]),
      noUpper,
      noProcess,
      noSandbox,
    ],
  );

export default tseslint.config(
  { ignores: ['dist/', '**/*.generated.ts', 'test/client/**/generated/', 'test/artifacts/'] },
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
      'no-restricted-globals': [
        'error',
        { name: 'process', message: 'only main.ts and process.ts touch the process' },
      ],
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
    [
      'src/clock.ts',
      'src/command-line.ts',
      'src/config.ts',
      'src/crowd.ts',
      'src/effective-config.ts',
      'src/ids.ts',
      'src/log.ts',
      'src/log-destination.ts',
      'src/metric-labels.ts',
      'src/metrics.ts',
      'src/nearest.ts',
      'src/package-files.ts',
      'src/plain-histogram.ts',
      'src/process-metrics.ts',
      'src/settings.ts',
      'src/shares.ts',
      'src/stacks.ts',
      'src/state-line.ts',
      'src/tracing/*.ts',
    ],
    [
      [
        ['**/gateway.ts', '**/running-gateway.ts', '**/server/**', '**/graphql/**', '**/upstream/**'],
        'a leaf imports no room',
      ],
      noProcess,
      noSandbox,
    ],
  ),
  room(
    ['src/upstream/{upstream,exposition}.ts'],
    [
      [['graphql', 'graphql-yoga', '**/graphql/**'], 'upstream/ speaks REST and knows no GraphQL'],
      noUpper,
      noProcess,
      noSandbox,
    ],
  ),
  upstreamRoom(
    '{errors,credentials}.ts',
    'writes',
    'reads',
    'replicas',
    'cache',
    'quota',
    'rest',
    'transport',
  ),
  upstreamRoom('writes/*.ts'),
  upstreamRoom('reads/*.ts', 'writes'),
  upstreamRoom('replicas/*.ts', 'writes', 'reads', 'cache', 'rest', 'transport'),
  upstreamRoom('cache/*.ts', 'writes', 'reads', 'replicas'),
  upstreamRoom('quota/*.ts', 'writes', 'reads', 'replicas', 'cache', 'rest'),
  upstreamRoom('rest/*.ts', 'writes', 'reads', 'replicas', 'cache', 'quota'),
  upstreamRoom('transport/*.ts', 'writes', 'reads', 'replicas', 'cache', 'quota', 'rest'),
  room(['src/graphql/**/*.ts'], [noUpper, noTransport, noHttpClients, noProcess, noSandbox]),
  room(
    ['src/graphql/live/*.ts'],
    [
      [
        ['../context.ts', '../loaders.ts', '../schema.ts', '**/resolvers/**'],
        'live/ knows streams, not operations',
      ],
      noUpper,
      noTransport,
      noHttpClients,
      noProcess,
      noSandbox,
    ],
  ),
  room(['src/graphql/error-codes.ts'], [['*', 'frontends import this file, so it imports nothing']]),
  room(
    ['src/server/*.ts'],
    [
      [['**/gateway.ts', '**/running-gateway.ts', '**/config.ts'], 'imports run downwards only'],
      ['**/front/**', 'gateway.ts puts the front before the rest of the server, which does not know it'],
      noTransport,
      noHttpClients,
      noProcess,
      noSandbox,
    ],
  ),
  room(
    ['src/server/plugins/*.ts'],
    [
      [['**/gateway.ts', '**/running-gateway.ts', '**/config.ts'], 'imports run downwards only'],
      [['../*.ts', '**/front/**'], 'plugins know what they share, not the server that they are plugged into'],
      noTransport,
      noHttpClients,
      noProcess,
      noSandbox,
    ],
  ),
  room(
    ['src/server/front/*.ts'],
    [
      [['**/gateway.ts', '**/running-gateway.ts', '**/config.ts'], 'imports run downwards only'],
      [['graphql-yoga', '@graphql-yoga/*', '@whatwg-node/*'], 'the front answers without yoga'],
      noTransport,
      noHttpClients,
      noProcess,
      noSandbox,
    ],
  ),
  room(
    ['src/sandbox/*.ts'],
    [[['../*.ts', '**/server/**', '**/graphql/**', '**/upstream/**'], 'the sandbox stands alone']],
  ),
  room(['src/sandbox/world/*.ts'], [['../**', 'the world knows nothing of the API that shows it']]),
  {
    files: ['src/main.ts', 'src/process.ts'],
    rules: { 'no-restricted-imports': 'off', 'no-restricted-syntax': 'off' },
  },
  room(
    ['src/client/*.ts'],
    [
      [
        ['../*.ts', '**/server/**', '**/upstream/**', '**/sandbox/**', '**/demo/**'],
        'what frontends install is made of the schema and the codes',
      ],
    ],
  ),
  {
    files: ['src/demo/*.ts', 'src/demo/federated/*.ts', 'src/demo/replicas/*.ts'],
    rules: {
      'no-restricted-imports': ['error', { patterns: [{ group: noProcess[0], message: noProcess[1] }] }],
    },
  },
  room(
    ['src/demo/page/*.ts'],
    [
      [
        ['node:*', '../*.ts', '**/server/**', '**/upstream/**', '**/sandbox/**'],
        'the page runs in a browser, where nothing of this is',
      ],
    ],
  ),
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
      parserOptions: { graphQLConfig: { schema: ['schema.graphql', FEDERATION_SDL] } },
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
      // A failed run and a list have no id of their own in the REST API.
      '@graphql-eslint/strict-id-in-types': [
        'error',
        { exceptions: { types: ['BackfillRunError', 'BackfillList'] } },
      ],
    },
  },
  {
    files: ['eslint.config.js'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: { '@typescript-eslint/explicit-module-boundary-types': 'off' },
  },
);
