// Rules drawn from the vendor's published OpenAPI document of the five backfill operations (Data Warehouse API
// 2.0.0): per operation and status the body and the headers. What the document leaves open is left open here.
import { Ajv } from 'ajv';
import type { AnySchema, ValidateFunction } from 'ajv';
import formats from 'ajv-formats';

export type OperationId =
  | 'listIncompleteBackfills'
  | 'getBackfillById'
  | 'updateBackfillStatus'
  | 'createBackfill'
  | 'getLatestBackfill';

export interface ReceivedAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

interface StatusRule {
  readonly body: ValidateFunction;
  readonly headers: readonly HeaderName[];
}

type HeaderName = keyof typeof HEADERS;

const HEADERS = {
  'access-control-allow-origin': (value: string) => value === '*',
  'www-authenticate': (value: string) => value.length <= 255 && value.startsWith('Bearer'),
  'x-ratelimit-limit': wholeNumber(1, 10_000),
  'x-ratelimit-remaining': wholeNumber(0, 10_000),
  'retry-after': wholeNumber(1, 86_400),
};

const requestId = { type: 'string', pattern: '^[A-Za-z0-9_-]+$', minLength: 8, maxLength: 64 };
const meta = {
  type: 'object',
  required: ['request_id'],
  properties: { request_id: requestId },
  additionalProperties: false,
};
// The upper limit of an int64 is checked on the text: a parsed number has been rounded.
const id = { type: 'integer', minimum: 1 };
const counter = { type: 'integer', minimum: 0, maximum: 2_147_483_647 };
const date = { type: 'string', format: 'date', maxLength: 10 };
// The format of the validator takes more than RFC 3339 does, an offset without a colon for one.
const time = {
  type: 'string',
  format: 'date-time',
  pattern: '^\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}:\\d{2}(\\.\\d+)?(Z|[+-]\\d{2}:\\d{2})$',
  maxLength: 30,
};

const backfill = {
  type: 'object',
  required: [
    'transfer_backfill_id',
    'transfer_id',
    'range_start_date',
    'range_end_date',
    'status',
    'created_time',
    'created_user_id',
    'transfer_runs_total',
    'transfer_runs_created',
    'transfer_runs_completed',
    'transfer_runs_failed',
  ],
  properties: {
    transfer_backfill_id: id,
    transfer_id: id,
    range_start_date: date,
    range_end_date: date,
    created_time: time,
    created_user_id: id,
    removed_time: { ...time, nullable: true },
    removed_user_id: { ...id, nullable: true },
    start_time: { ...time, nullable: true },
    end_time: { ...time, nullable: true },
    status: { enum: ['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED', 'COMPLETED', 'CANCELLED'] },
    transfer_runs_total: counter,
    transfer_runs_created: counter,
    transfer_runs_completed: counter,
    transfer_runs_failed: counter,
    error_report: {
      type: 'array',
      items: {
        type: 'object',
        required: ['transfer_run_date', 'error'],
        properties: { transfer_run_date: date, error: { type: 'string', maxLength: 1000 } },
      },
    },
  },
  // The document allows more; that the sandbox makes nothing up is a rule of ours.
  additionalProperties: false,
};

const errorBody = {
  type: 'object',
  required: ['meta', 'error'],
  properties: {
    meta,
    error: {
      type: 'object',
      required: ['code', 'message'],
      properties: {
        code: { type: 'string', pattern: '^[A-Z][A-Z0-9_]*$', maxLength: 100 },
        message: { type: 'string', pattern: '^.+$', maxLength: 255 },
        description: { type: 'string', maxLength: 2048 },
      },
      additionalProperties: false,
    },
  },
  additionalProperties: false,
};

const ajv = new Ajv({ allErrors: true });
formats.default(ajv);

const one = compile({ type: 'object', required: ['meta', 'data'], properties: { meta, data: backfill } });
const list = compile({
  type: 'object',
  required: ['meta', 'data'],
  properties: { meta, data: { type: 'array', maxItems: 100, items: backfill } },
});
const error = compile(errorBody);

const ORIGIN = ['access-control-allow-origin'] as const;
const RATE = ['x-ratelimit-limit', 'x-ratelimit-remaining', ...ORIGIN] as const;

const badRequest = { 400: { body: error, headers: RATE } };
const unprocessable = { 422: { body: error, headers: RATE } };
const everywhere = {
  401: { body: error, headers: ['www-authenticate', ...RATE] },
  403: { body: error, headers: RATE },
  429: { body: error, headers: ['retry-after', ...RATE] },
  500: { body: error, headers: ORIGIN },
} as const;
const ok = { 200: { body: one, headers: ORIGIN } };
const notFound = { 404: { body: error, headers: RATE } };
/** Two of the operations describe their 404 apart, without the rate limit headers. */
const plainNotFound = { 404: { body: error, headers: ORIGIN } };

export const RULES: Readonly<Record<OperationId, Readonly<Record<number, StatusRule>>>> = {
  listIncompleteBackfills: { 200: { body: list, headers: ORIGIN }, ...everywhere },
  getBackfillById: { ...ok, ...notFound, ...everywhere },
  updateBackfillStatus: { ...ok, ...badRequest, ...notFound, ...unprocessable, ...everywhere },
  createBackfill: { ...ok, ...badRequest, ...plainNotFound, ...unprocessable, ...everywhere },
  getLatestBackfill: { ...ok, ...plainNotFound, ...everywhere },
};

/** The faults of an HTTP response in words. Empty if it keeps the contract. */
export function contractProblems(operation: OperationId, answer: ReceivedAnswer): string[] {
  const rule = RULES[operation][answer.status];
  if (rule === undefined) return [`status ${answer.status} is not documented for ${operation}`];
  return [
    ...bodyProblems(rule.body, answer),
    ...headerProblems(rule.headers, answer),
    ...int64Problems(answer.text),
  ];
}

function bodyProblems(validate: ValidateFunction, { headers, text }: ReceivedAnswer): string[] {
  const type = headers.get('content-type') ?? '';
  if (!/^application\/json\b/.test(type)) return [`content-type is "${type}"`];
  if (validate(JSON.parse(text))) return [];
  return (validate.errors ?? []).map(({ instancePath, message }) => `body${instancePath} ${message ?? ''}`);
}

function headerProblems(documented: readonly HeaderName[], { status, headers }: ReceivedAnswer): string[] {
  const wrong = documented
    .filter((name) => !HEADERS[name](headers.get(name) ?? ''))
    .map((name) => `header ${name} is "${headers.get(name) ?? '(absent)'}"`);
  const clientError = status >= 400 && status < 500;
  const strange = (
    [
      ['x-ratelimit-limit', clientError],
      ['x-ratelimit-remaining', clientError],
      ['retry-after', status === 429],
      ['www-authenticate', status === 401],
    ] as const
  )
    .filter(([name, belongs]) => !belongs && headers.has(name))
    .map(([name]) => `header ${name} does not belong to status ${status}`);
  return [...wrong, ...strange];
}

/** Ids must be bare integers of 64 bits in the text itself, whatever a parser makes of them. */
function int64Problems(text: string): string[] {
  const ids = /"(transfer_backfill_id|transfer_id|created_user_id|removed_user_id)"\s*:\s*([^,}\s]+)/g;
  return [...text.matchAll(ids)].flatMap(([, name = '', value = '']) => {
    if (name === 'removed_user_id' && value === 'null') return [];
    const exact = /^[1-9]\d{0,18}$/.test(value) && BigInt(value) <= 9_223_372_036_854_775_807n;
    return exact ? [] : [`${name} is ${value}, not a bare int64`];
  });
}

function wholeNumber(min: number, max: number): (value: string) => boolean {
  return (value) => /^\d+$/.test(value) && Number(value) >= min && Number(value) <= max;
}

function compile(schema: AnySchema): ValidateFunction {
  return ajv.compile(schema);
}
