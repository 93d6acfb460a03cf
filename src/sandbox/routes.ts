/** The `operationId`s of the vendor's OpenAPI document, and `unknown` for everything else. */
export type Operation =
  | 'getBackfillById'
  | 'getLatestBackfill'
  | 'listIncompleteBackfills'
  | 'createBackfill'
  | 'updateBackfillStatus'
  | 'unknown';

/** The operation and ids of a path; the ids may be malformed. */
export type Route =
  | { readonly operation: 'listIncompleteBackfills'; readonly teamId: string; readonly id: undefined }
  | { readonly operation: KnownWithId; readonly teamId: string; readonly id: string }
  | {
      readonly operation: 'unknown';
      readonly teamId: undefined;
      readonly id: undefined;
      /** True for a known path with a method that it does not have. */
      readonly pathExists: boolean;
    };

export type KnownRoute = Exclude<Route, { readonly operation: 'unknown' }>;

type KnownWithId = Exclude<Operation, 'listIncompleteBackfills' | 'unknown'>;

const PATHS: readonly {
  readonly pattern: RegExp;
  readonly methods: Readonly<Record<string, Exclude<Operation, 'unknown'>>>;
}[] = [
  { pattern: /^\/v1\/teams\/([^/]+)\/backfills$/, methods: { GET: 'listIncompleteBackfills' } },
  {
    pattern: /^\/v1\/teams\/([^/]+)\/backfills\/([^/]+)$/,
    methods: { GET: 'getBackfillById', PATCH: 'updateBackfillStatus' },
  },
  { pattern: /^\/v1\/teams\/([^/]+)\/transfers\/([^/]+)\/backfills$/, methods: { POST: 'createBackfill' } },
  {
    pattern: /^\/v1\/teams\/([^/]+)\/transfers\/([^/]+)\/backfills\/latest$/,
    methods: { GET: 'getLatestBackfill' },
  },
];

export function matchRoute(method: string, path: string): Route {
  for (const { pattern, methods } of PATHS) {
    const match = pattern.exec(path);
    if (match === null) continue;
    const operation = methods[method];
    if (operation === undefined) return unknownRoute(true);
    const teamId = decode(match[1] ?? '');
    if (operation === 'listIncompleteBackfills') return { operation, teamId, id: undefined };
    return { operation, teamId, id: decode(match[2] ?? '') };
  }
  return unknownRoute(false);
}

function unknownRoute(pathExists: boolean): Route {
  return { operation: 'unknown', teamId: undefined, id: undefined, pathExists };
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
