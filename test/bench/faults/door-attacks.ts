import { randomBytes, randomInt } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack } from './attack.ts';
import type { Target } from './target.ts';

/** One kind of attack at the door, and what the bench claims of it besides. */
export interface DoorAttack extends Attack {
  /** Where the log goes, at level `info`; otherwise it holds errors only and goes to the bench's own errors. */
  readonly log?: 'full disk' | 'stalled reader' | 'file';
  /** What its answers may be at most. */
  readonly maxAnswerBytes?: number;
  /** Whether it is a matter of which answers come at all: none may be 5xx, and none may show the program. */
  readonly judgesAnswers?: boolean;
  /** What each connection that it holds may keep in memory. */
  readonly maxKiBEach?: number;
  /** Whether it is about the cache, in which the ordinary clients' values must stay. */
  readonly judgesCache?: boolean;
}

const MAX_BODY_BYTES = 256 * 1024;
const MAX_REFERENCES = 5_000;
const KB = 1_000;
/** Answers of refusals: one error, or five and a word about the rest. */
const SMALL_ANSWER = 16 * KB;
const GRAPHQL_HEADERS = 'Host: localhost\r\nContent-Type: application/json\r\nX-Team-Id: 1\r\n';

const times = <Item>(count: number, item: (number: number) => Item): Item[] =>
  Array.from({ length: count }, (_, number) => item(number));
const aliases = (count: number, field: string): string => times(count, (n) => `a${n}:${field}`).join(' ');
const freshId = (): string => String(randomInt(200_000_000_000, 280_000_000_000));

/** As much JSON as a body holds, made of the same item. */
function filled(query: string, item: string): string {
  const [head, tail] = [`{"query":${JSON.stringify(query)},"variables":{"r":[${item}`, ']}}'];
  const count = Math.floor((MAX_BODY_BYTES - head.length - tail.length) / (item.length + 1));
  return head + `,${item}`.repeat(count) + tail;
}

async function entitiesWithoutCredential(target: Target): Promise<void> {
  const body = filled('query($r:[_Any!]!){_entities(representations:$r){__typename}}', '1');
  await target.repeat(1, () => target.exchange({ headers: { 'content-type': 'application/json' }, body }));
}

async function transfersUnderAliases(target: Target): Promise<void> {
  const query = `query($r:[_Any!]!){_entities(representations:$r){...on Transfer{${aliases(299, 'id')}}}}`;
  const r = times(MAX_REFERENCES - 1, () => ({ __typename: 'Transfer', id: '1' }));
  await target.repeat(1, () => target.ask({ query, variables: { r } }, 'attacker-1'));
}

const REPORTS_QUERY =
  'query($r:[_Any!]!){_entities(representations:$r){...on Backfill{errorReport{transferRunDate error}}}}';

async function oneReportManyTimes(target: Target): Promise<void> {
  const r = times(4_000, () => ({ __typename: 'Backfill', id: '11000000000001' }));
  await target.repeat(1, () => target.ask({ query: REPORTS_QUERY, variables: { r } }, 'attacker-1'));
}

async function failingLatestBackfills(target: Target): Promise<void> {
  const query = `query($r:[_Any!]!){_entities(representations:$r){...on Transfer{${aliases(290, 'latestBackfill{id}')}}}}`;
  const r = times(MAX_REFERENCES, () => ({ __typename: 'Transfer', id: freshId() }));
  await target.repeat(1, () => target.ask({ query, variables: { r } }, 'refused-1'));
}

/** Eight calls hang, so that slots stay free for the others, and the circuit breaker sees fewer failures in a row than ten. */
const HANGING_CALLS = 8;

async function bodiesOverHangingUpstream(target: Target): Promise<void> {
  const query = 'query($id:ID!){transfer(id:$id){latestBackfill{id}}}';
  // Lists in lists take twenty times their text, and all variables together may have 20,000 values.
  const unused = { lists: times(3_200, () => [[[[[1]]]]]), text: 'x'.repeat(180_000) };
  await target.repeat(
    1,
    async (n) => {
      void target.ask({ query, variables: { id: String(1 + (n % HANGING_CALLS)), unused } }, 'hangs-1');
      await sleep(40);
    },
    200,
  );
  await target.untilOver();
}

/** A comment makes each document a new one, which no cache knows. */
function documents(target: Target, text: string): Promise<void> {
  return target.repeat(2, (n) => target.ask({ query: `#${n}\n${text}` }, 'attacker-1'));
}

const sameField = (target: Target): Promise<void> =>
  documents(target, `{transfer(id:"1"){${'id '.repeat(500)}}}`);
const unknownDirectives = (target: Target): Promise<void> =>
  documents(target, `{__typename ${times(10, (n) => `@d${n}`).join(' ')}}`);
const aliasedTypenames = (target: Target): Promise<void> =>
  documents(target, `{${aliases(101, '__typename')}}`);
const fragments = (target: Target): Promise<void> =>
  documents(
    target,
    '{...f0}' +
      times(100, (n) => {
        const next = times(Math.min(20, 99 - n), (m) => `...f${n + m + 1}`);
        return `fragment f${n} on Query{__typename ${next.join(' ')}}`;
      }).join(' '),
  );

async function nestedVariables(target: Target): Promise<void> {
  const half = (MAX_BODY_BYTES - 100) / 2;
  const body = `{"query":"query($r:[_Any!]!){_entities(representations:$r){__typename}}","variables":{"r":${'['.repeat(half)}${']'.repeat(half)}}}`;
  await target.repeat(2, () => target.exchange({ headers: { 'content-type': 'application/json' }, body }));
}

const NO_HOSTS = [
  '[',
  '[::1',
  '[::1]x',
  'a b',
  'a:b',
  'a:99999',
  'a@b',
  'a#',
  'a\\b',
  '%zz',
  'a/metrics?',
  'http://a',
];
const NO_PATHS = [
  '//graphql',
  '/x/../graphql',
  '/./graphql',
  '/graphql/',
  '/graphql;x',
  '/%67raphql',
  'http://[/graphql',
];

async function odderHostsAndPaths(target: Target): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const body = '{"query":"{__typename}"}';
  await target.repeat(8, async (n) => {
    const host = NO_HOSTS[n % NO_HOSTS.length] ?? '';
    const path = NO_PATHS[n % NO_PATHS.length] ?? '';
    await target.exchange({ headers: { ...headers, host }, body });
    await target.exchange({ path, headers, body });
  });
}

async function unfinishedBodies(target: Target): Promise<void> {
  await target.repeat(100, () => unfinished(target, 'Content-Length: 1000\r\n\r\n{"query":"{'), 1_000);
  await target.untilOver();
}

async function unfinishedChunks(target: Target): Promise<void> {
  await target.repeat(
    100,
    () => unfinished(target, 'Transfer-Encoding: chunked\r\n\r\nb\r\n{"query":"{\r\n'),
    1_000,
  );
  await target.untilOver();
}

async function unfinished(target: Target, rest: string): Promise<void> {
  const socket = await target.hold();
  socket?.write(`POST /graphql HTTP/1.1\r\n${GRAPHQL_HEADERS}${rest}`);
}

/** The bytes of a request for reports of 110 KB. */
function requestForReports(count: number): string {
  const r = times(count, () => ({ __typename: 'Backfill', id: '11000000000001' }));
  const body = JSON.stringify({ query: REPORTS_QUERY, variables: { r } });
  return `POST /graphql HTTP/1.1\r\n${GRAPHQL_HEADERS}Authorization: Bearer attacker-1\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Each answer is nearly as large as one may be. */
async function readersThatNeverRead(target: Target): Promise<void> {
  await holdAndWrite(target, 60, requestForReports(140));
}

async function pipelinesThatNeverRead(target: Target): Promise<void> {
  await holdAndWrite(target, 20, requestForReports(1).repeat(30));
}

async function holdAndWrite(target: Target, connections: number, bytes: string): Promise<void> {
  await target.repeat(
    1,
    async () => {
      (await target.hold())?.write(bytes);
      await sleep(50);
    },
    connections,
  );
  await target.untilOver();
}

/** Long names make the log long. */
async function longLogLines(target: Target): Promise<void> {
  const name = 'a'.repeat(10_000);
  await target.repeat(4, () =>
    target.ask({ query: `query ${name}{__typename}`, operationName: name }, 'attacker-1'),
  );
}

const unknownPaths = (target: Target): Promise<void> =>
  target.repeat(8, (n) => target.exchange({ method: 'GET', path: `/${n}/wp-login.php` }));

async function unknownIds(target: Target): Promise<void> {
  const query = 'query($r:[_Any!]!){_entities(representations:$r){...on Transfer{latestBackfill{id}}}}';
  await target.repeat(1, async (n) => {
    const r = times(MAX_REFERENCES, () => ({ __typename: 'Transfer', id: freshId() }));
    await target.ask({ query, variables: { r } }, `attacker-${n}`);
    await sleep(1_000);
  });
}

function reportsFrom(firstId: number): Attack['run'] {
  const query = 'query($ids:[ID!]!){transfers(ids:$ids){latestBackfill{id}}}';
  return (target) =>
    target.repeat(4, (n) => {
      const ids = [2 * n, 2 * n + 1].map((more) => String(firstId + more));
      return target.ask({ query, variables: { ids } }, `attacker-${n % 4}`);
    });
}

async function upgraded(target: Target): Promise<Socket | undefined> {
  const socket = await target.hold();
  if (socket === undefined) return undefined;
  socket.write(
    'GET /graphql HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n' +
      `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n`,
  );
  await new Promise<void>((resolve) => {
    socket.once('data', () => resolve());
    socket.once('close', () => resolve());
    socket.resume();
  });
  return socket;
}

/** A frame of text from a client, masked by zeros. */
function frame(text: string, isLast: boolean, bytes = Buffer.byteLength(text)): Buffer {
  const head = Buffer.alloc(14);
  head[0] = (isLast ? 0x80 : 0) | 1;
  head[1] = 0x80 | 127;
  head.writeBigUInt64BE(BigInt(bytes), 2);
  return Buffer.concat([head, Buffer.from(text)]);
}

/** So many that what each holds outweighs what the process takes for the first. */
const SOCKETS = 1_500;

async function unacknowledgedSockets(target: Target): Promise<void> {
  const text = `{"type":"connection_init","payload":{"a":"${'a'.repeat(255 * 1024)}`;
  await target.repeat(20, async () => void (await upgraded(target))?.write(frame(text, false)), SOCKETS);
  await target.untilOver();
}

/** Each goes on with a quarter of a second message. */
async function longConnectionInits(target: Target): Promise<void> {
  const payload = { Authorization: 'Bearer attacker-1', more: 'a'.repeat(250 * 1024) };
  const init = JSON.stringify({ type: 'connection_init', payload });
  const both = Buffer.concat([frame(init, true), frame('a'.repeat(63 * 1024), true, 250 * 1024)]);
  await target.repeat(20, async () => void (await upgraded(target))?.write(both), SOCKETS);
  await target.untilOver();
}

async function inventTokens(target: Target): Promise<void> {
  const query = '{backfill(id:"1"){id}}';
  await target.repeat(32, (n) => target.ask({ query }, `invented-${n}`), 10_000);
}

async function scrapesAtOnce(target: Target): Promise<void> {
  const scrapes = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n'.repeat(300);
  await target.repeat(1, async () => {
    (await target.hold())?.resume().write(scrapes);
    await sleep(1_000);
  });
}

/** Much more than the ordinary clients' values take. */
const SMALL_CACHE = { CACHE_MAX_BYTES: String(8 * 1024 * 1024) };

export const DOOR_ATTACKS: Readonly<Record<string, DoorAttack>> = {
  entities: {
    says: 'A list of 130,000 representations comes without a credential',
    run: entitiesWithoutCredential,
    maxAnswerBytes: SMALL_ANSWER,
  },
  aliases: { says: '4,999 transfers are asked for under 299 aliases', run: transfersUnderAliases },
  report: {
    says: 'A report of 110 KB is asked for 4,000 times',
    run: oneReportManyTimes,
    maxAnswerBytes: 17 * KB * KB,
  },
  failing: { says: '5,000 transfers fail under 290 aliases each', run: failingLatestBackfills },
  bodies: {
    says: '200 bodies of 220 KB wait for an upstream that hangs, with slots left for the others',
    run: bodiesOverHangingUpstream,
    seconds: 10,
  },
  fields: { says: 'One field is asked for 500 times', run: sameField, maxAnswerBytes: SMALL_ANSWER },
  directives: {
    says: 'A field has ten unknown directives',
    run: unknownDirectives,
    maxAnswerBytes: SMALL_ANSWER,
  },
  typenames: { says: '`__typename` has 101 aliases', run: aliasedTypenames },
  fragments: {
    says: 'A hundred fragments spread the next twenty each',
    run: fragments,
    maxAnswerBytes: SMALL_ANSWER,
  },
  nesting: { says: 'Variables nest 131,000 lists', run: nestedVariables, maxAnswerBytes: SMALL_ANSWER },
  hosts: { says: 'Hosts are none, and paths are nearly right', run: odderHostsAndPaths, judgesAnswers: true },
  unfinished: { says: '1,000 bodies end after 11 bytes', run: unfinishedBodies },
  chunks: { says: '1,000 chunked bodies never end', run: unfinishedChunks },
  readers: { says: '60 readers never read answers of 15 MB', run: readersThatNeverRead, seconds: 10 },
  pipelines: { says: '20 readers never read 30 answers of 110 KB each', run: pipelinesThatNeverRead },
  disk: { says: 'The log goes to a full disk', run: longLogLines, log: 'full disk' },
  stall: { says: 'Nobody reads the log', run: longLogLines, log: 'stalled reader' },
  paths: { says: 'Paths are tried out', run: unknownPaths, log: 'file' },
  ids: {
    says: `${MAX_REFERENCES} unknown ids are asked for`,
    run: unknownIds,
    seconds: 10,
    env: SMALL_CACHE,
    judgesCache: true,
  },
  reports: {
    says: 'Reports of 340 KB are read for fifteen seconds',
    run: reportsFrom(34_000_000_000_000),
    seconds: 15,
  },
  digits: {
    says: 'Reports of 340 KB come with ids of sixteen digits',
    run: reportsFrom(340_000_000_000_000),
  },
  sockets: {
    says: `${SOCKETS} WebSockets never finish 255 KiB of a first message`,
    run: unacknowledgedSockets,
    maxKiBEach: 128,
  },
  inits: { says: `${SOCKETS} WebSockets begin with 250 KiB`, run: longConnectionInits, maxKiBEach: 128 },
  metrics: {
    says: '10,000 tokens are invented, then `/metrics` is asked 300 times at once each second',
    prepare: inventTokens,
    run: scrapesAtOnce,
  },
};
