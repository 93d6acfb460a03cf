import { setTimeout as sleep } from 'node:timers/promises';
import type { Attack } from './attack.ts';
import type { Target } from './target.ts';
import { FAILING_TEAM, SLOW_MS } from './treatments.ts';

/** One kind of bad neighbour. What it does to itself is its own affair until it turns good. */
export interface Neighbour extends Attack {
  /** Whose reads are to succeed again when it has turned good. */
  readonly bad: { readonly token: string; readonly teamId: string };
  /** Within so many seconds; three where it is not given. */
  readonly recoverySeconds?: number;
  /** How many upstream calls its reads may cost. */
  readonly maxCalls?: number;
}

const DASHBOARD = 'query($ids:[ID!]!){transfers(ids:$ids){latestBackfill{id status}}}';
const REPORTS = 'query($ids:[ID!]!){transfers(ids:$ids){latestBackfill{id}}}';
const ONE_REPORT =
  'query($r:[_Any!]!){_entities(representations:$r){...on Backfill{errorReport{transferRunDate error}}}}';
const FOLLOW = 'subscription($id:ID!){backfillUpdated(id:$id){status}}';

/**
 * A refusal is remembered for two seconds and then for twice as long each time, up to a minute. At the end of seven
 * seconds it is remembered for eight.
 */
const REFUSED_SECONDS = 10;
/** A page of a hundred, and a handful each time that the refusal is no longer remembered. */
const REFUSED_CALLS = 150;

let nextId = 300_000_000_000;

/** Transfers that nobody has asked for before. */
function freshIds(count: number): string[] {
  return Array.from({ length: count }, () => String(nextId++));
}

/** A dashboard that nobody has asked for before, over and over. */
function freshDashboards(
  target: Target,
  by: { readonly token: string; readonly teamId: string },
  { atOnce, ids, pauseMs }: { readonly atOnce: number; readonly ids: number; readonly pauseMs: number },
): Promise<void> {
  return target.repeat(atOnce, async () => {
    await target.ask({ query: DASHBOARD, variables: { ids: freshIds(ids) } }, by.token, by.teamId);
    await sleep(pauseMs);
  });
}

/** Always the same page of 100, as a dashboard that polls shows it. */
async function poll(target: Target, token: string): Promise<void> {
  const ids = Array.from({ length: 100 }, (_, n) => String(400_000_000_000 + n));
  await target.repeat(8, async () => {
    await target.ask({ query: DASHBOARD, variables: { ids } }, token);
    await sleep(500);
  });
}

const FLOOD = 1_050;

/** Kept connections from before, since new ones come one in a turn of the gateway's event loop. */
async function openConnections(target: Target, count: number): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const body = '{"query":"{__typename}"}';
  await target.repeat(count, () => target.exchange({ headers, body }), count);
}

/** Each comes back a second after its answer. */
async function flood(target: Target, bad: Neighbour['bad']): Promise<void> {
  await freshDashboards(target, bad, { atOnce: FLOOD, ids: 1, pauseMs: 1_000 });
}

/** Answers of 2 MB, and reports of 340 KB that are no use to anybody else. */
async function readHugely(target: Target, token: string): Promise<void> {
  const r = Array.from({ length: 18 }, () => ({ __typename: 'Backfill', id: '11000000000001' }));
  let next = 34_000_000_000_000;
  const answers = target.repeat(2, async () => {
    await target.ask({ query: ONE_REPORT, variables: { r } }, token);
    await sleep(100);
  });
  const reports = target.repeat(2, async () => {
    await target.ask({ query: REPORTS, variables: { ids: [String(next++), String(next++)] } }, token);
    await sleep(100);
  });
  await Promise.all([answers, reports]);
}

const INVENTED = 400;

async function inventTokens(target: Target): Promise<void> {
  await target.repeat(INVENTED, async (n) => {
    if (n < INVENTED) await sleep(Math.random() * 2_000);
    await target.ask({ query: DASHBOARD, variables: { ids: freshIds(2) } }, `invented-${n % INVENTED}`);
    await sleep(2_000);
  });
}

/** As many streams as there may be. */
const STREAMS = 10_000;
/** One after the other is refused from then on. */
const MAX_REFUSED = 50;

async function holdStreams(target: Target, token: string): Promise<void> {
  let refused = 0;
  await target.repeat(
    20,
    async () => {
      if (refused < MAX_REFUSED && !(await openStream(target, token))) refused++;
    },
    STREAMS,
  );
}

/** @returns whether the stream is open; it stays so */
async function openStream(target: Target, token: string): Promise<boolean> {
  const socket = await target.hold();
  if (socket === undefined) return false;
  const body = JSON.stringify({ query: FOLLOW, variables: { id: '9400000000000' } });
  socket.write(
    'POST /graphql HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nAccept: text/event-stream\r\n' +
      `X-Team-Id: 1\r\nAuthorization: Bearer ${token}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  );
  const answer = await new Promise<string>((resolve) => {
    let text = '';
    const read = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      if (!/^data: |"errors"/m.test(text)) return;
      socket.off('data', read);
      resolve(text);
    };
    socket.on('data', read);
    socket.once('close', () => resolve(text));
    socket.resume();
  });
  const [, status = 'no answer'] = /^HTTP\/1.1 (\d+)/.exec(answer) ?? [];
  const [, code] = /"code":"(\w+)"/.exec(answer) ?? [];
  const isOpen = status === '200' && code === undefined;
  target.count(isOpen ? 'stream' : `${status} ${code ?? ''}`.trim());
  if (!isOpen) socket.destroy();
  return isOpen;
}

async function holdMoreStreams(target: Target, token: string): Promise<void> {
  await target.repeat(1, async () => {
    await openStream(target, token);
    await sleep(100);
  });
}

const by = (token: string, teamId = '1'): Neighbour['bad'] => ({ token, teamId });
/** The REST API accepts it before it turns bad. */
const acceptedBefore = (bad: Neighbour['bad']) => ({
  bad,
  prepare: (target: Target) => freshOnce(target, bad),
});

async function freshOnce(target: Target, { token, teamId }: Neighbour['bad']): Promise<void> {
  await target.ask({ query: DASHBOARD, variables: { ids: freshIds(1) } }, token, teamId);
}

const hanging = acceptedBefore(by('hangs-1'));
const slow = acceptedBefore(by('slow-1'));
const failing = acceptedBefore(by('failing-1'));
// The first of the ordinary clients reads another team with the same credential.
const failingTeam = acceptedBefore(by('ordinary-0', FAILING_TEAM));

export const NEIGHBOURS: Readonly<Record<string, Neighbour>> = {
  hanging: {
    says: '300 reads of one credential hang, which is more than there are slots',
    ...hanging,
    run: (target) => freshDashboards(target, hanging.bad, { atOnce: 300, ids: 1, pauseMs: 100 }),
    // Its calls that hang have their slots until their deadline.
    recoverySeconds: 5,
  },
  timeouts: {
    says: '300 reads of one credential hang until a deadline of two seconds, and come back a second later',
    ...hanging,
    run: (target) => freshDashboards(target, hanging.bad, { atOnce: 300, ids: 1, pauseMs: 1_000 }),
    env: { UPSTREAM_TIMEOUT_MS: '2000' },
    recoverySeconds: 5,
  },
  failing: {
    says: 'Each read of one credential gets 500',
    ...failing,
    run: (target) => freshDashboards(target, failing.bad, { atOnce: 20, ids: 2, pauseMs: 100 }),
  },
  team: {
    says: "Each read of one team gets 500, and an ordinary client's credential reads it",
    ...failingTeam,
    run: (target) => freshDashboards(target, failingTeam.bad, { atOnce: 20, ids: 2, pauseMs: 100 }),
  },
  flooding: {
    says: `${FLOOD} requests of one credential at once, which the upstream answers after ${SLOW_MS} ms`,
    bad: slow.bad,
    async prepare(target) {
      await slow.prepare(target);
      await openConnections(target, FLOOD);
    },
    run: (target) => flood(target, slow.bad),
  },
  huge: {
    says: 'One credential reads answers of 2 MB and reports of 340 KB',
    ...acceptedBefore(by('huge-1')),
    run: (target) => readHugely(target, 'huge-1'),
  },
  inventing: {
    says: `${INVENTED} invented tokens read a dashboard of two every two seconds`,
    bad: by('invented-0'),
    prepare: (target) => openConnections(target, INVENTED),
    run: inventTokens,
    recoverySeconds: REFUSED_SECONDS,
  },
  streams: {
    says: 'One credential holds as many streams as it may for twenty seconds, tries for more, and leaves with all at once',
    bad: by('streaming-1'),
    prepare: (target) => holdStreams(target, 'streaming-1'),
    run: (target) => holdMoreStreams(target, 'streaming-1'),
    seconds: 20,
  },
  revoked: {
    says: 'A revoked token polls pages of 100 (401)',
    ...acceptedBefore(by('revoked-1')),
    run: (target) => poll(target, 'revoked-1'),
    recoverySeconds: REFUSED_SECONDS,
    maxCalls: REFUSED_CALLS,
  },
  refused: {
    says: 'A credential that is refused polls pages of 100 (403)',
    ...acceptedBefore(by('refused-1')),
    run: (target) => poll(target, 'refused-1'),
    recoverySeconds: REFUSED_SECONDS,
    maxCalls: REFUSED_CALLS,
  },
};
