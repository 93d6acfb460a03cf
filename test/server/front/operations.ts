import fc from 'fast-check';

/** A query and its variables, as a client may send them. */
export interface Asked {
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

const SCALARS = [
  'id',
  'teamId',
  '__typename',
  'status',
  'rangeStartDate',
  'createdTime',
  'createdUserId',
  'startTime',
  'endTime',
  'removedUserId',
  'transferRunsTotal',
  'transferRunsCompleted',
  'progress',
  'estimatedEndTime',
  'fetchedAt',
  'isStale',
  'errorReport { transferRunDate error }',
  'transfer { id teamId }',
] as const;

/** Selections that are no plain fields of the backfill itself. */
const OTHERS = [
  'again: status',
  'a: estimatedEndTime b: estimatedEndTime',
  'id @include(if: $yes)',
  'status @skip(if: $yes)',
  '... on Backfill { teamId progress }',
  '... @include(if: $no) { progress }',
  '...OfBackfill',
  'transfer { id latestBackfill { id status } }',
] as const;

const selection = fc
  .tuple(fc.subarray([...SCALARS], { minLength: 1 }), fc.subarray([...OTHERS], { maxLength: 2 }))
  .map(([scalars, others]) => `{ ${[...scalars, ...others].join(' ')} }`);

const field = selection.chain((rows) =>
  fc.constantFrom(
    `backfill(id: $id) ${rows}`,
    `backfill(id: $id, teamId: $team) ${rows}`,
    `backfills(ids: $ids) ${rows}`,
    `backfills(ids: ["1", "x"]) ${rows}`,
    `transfer(id: $id) { id teamId latestBackfill ${rows} }`,
    `transfers(ids: $ids) { id latestBackfill ${rows} __typename }`,
    `transfers(ids: $ids) { ...OfTransfer }`,
    `incompleteBackfills(statuses: $statuses) { isPartial items ${rows} fetchedAt isStale }`,
    `incompleteBackfills { items ${rows} }`,
    `_entities(representations: $refs) { __typename ... on Backfill ${rows} ... on Transfer { id latestBackfill ${rows} } }`,
    '_service { __typename }',
    '__typename',
  ),
);
/** One in as many operations has it, and is refused. */
const faulty = { weight: 1, arbitrary: fc.constant('nosuch') };

const VARIABLES = {
  id: 'ID!',
  ids: '[ID!]!',
  team: 'ID',
  statuses: '[BackfillStatus!]',
  refs: '[_Any!]!',
  yes: 'Boolean!',
  no: 'Boolean = false',
};
const FRAGMENTS = {
  OfTransfer: 'on Transfer { teamId latestBackfill { ...OfBackfill isStale } }',
  OfBackfill: 'on Backfill { id endTime transferRunsFailed }',
};

/** A document may neither define nor declare what it does not use. */
const query = fc
  .tuple(
    fc.array(fc.oneof({ weight: 20, arbitrary: field }, faulty), { minLength: 1, maxLength: 3 }),
    fc.constantFrom('', 'Named'),
    fc.boolean(),
  )
  .map(([fields, name, areAliased]) => {
    const aliased = fields.map((each, n) =>
      n === 0 || !areAliased || /^(?:_|nosuch)/.test(each) ? each : `f${n}: ${each}`,
    );
    let text = `{\n  ${aliased.join('\n  ')}\n}`;
    for (const [fragment, of] of Object.entries(FRAGMENTS)) {
      if (text.includes(`...${fragment}`)) text += `\nfragment ${fragment} ${of}`;
    }
    const used = Object.entries(VARIABLES).filter(([variable]) => new RegExp(`\\$${variable}\\b`).test(text));
    const declared = used.map(([variable, type]) => `$${variable}: ${type}`).join(', ');
    return `query ${name}${declared === '' ? '' : `(${declared})`} ${text}`;
  });

/** Of backfills and transfers of the world, of none, and malformed ones. */
const goodId = fc.integer({ min: 1, max: 12 }).map(String);
const id = fc.oneof(
  { weight: 20, arbitrary: goodId },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>('x', '', '0', '9223372036854775808', 7, 2 ** 53, 1.5, null, true),
  },
);
const listed = fc.oneof(
  { weight: 20, arbitrary: fc.array(goodId, { maxLength: 8 }) },
  { weight: 1, arbitrary: fc.array(id, { maxLength: 4 }) },
  {
    weight: 1,
    arbitrary: fc.constantFrom<unknown>(
      '3',
      Array.from({ length: 101 }, (_, n) => String(n + 1)),
      null,
      {},
    ),
  },
);
const reference = fc.record(
  {
    __typename: fc.constantFrom<unknown>('Backfill', 'Transfer', 'Transfer', 'User', 5),
    id,
    teamId: fc.constantFrom<unknown>('1', '1', '2', 'x', 1),
  },
  { requiredKeys: ['__typename'] },
);

const variables = fc.record(
  {
    id,
    ids: listed,
    team: fc.constantFrom<unknown>(undefined, null, '1', '2', 'x'),
    statuses: fc.constantFrom<unknown>(
      undefined,
      ['RUNNING'],
      ['RUNNING', 'FAILED'],
      ['COMPLETED'],
      ['NONE'],
      [],
    ),
    refs: fc.array(reference, { maxLength: 6 }),
    yes: fc.constantFrom<unknown>(true, true, true, true, false, false, 'yes'),
  },
  { requiredKeys: ['id', 'ids', 'refs', 'yes'] },
);

/** Queries of every field that gives backfills, some of them with a fault, and with variables that may not fit. */
export const operations: fc.Arbitrary<Asked> = fc.record({ query, variables });
