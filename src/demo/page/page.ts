import { type Answer, type Backfill, type Failure, failureOf, UNREACHABLE } from './answers.ts';
import { Costs } from './costs.ts';
import { ListView } from './list-view.ts';
import { LiveList } from './live-list.ts';
import { CANCEL, LIVE, type Operation, START, TRANSFERS, WHAT_BECAME } from './operations.ts';
import { byId, setAttribute, setHidden, setText } from './parts.ts';
import { startReplicasPanel } from './replicas-panel.ts';
import { type RowState, stateOf, transferStates } from './row-state.ts';
import type { Row } from './row-view.ts';
import type { PageSettings } from './settings.ts';
import { adviceFor, createStartForm, type Started, type StartInput } from './start-form.ts';
import { createTransport, type Sink } from './transport.ts';
import { startTroublePanel } from './trouble-panel.ts';
import { weatherOf } from './weather.ts';
import { WeatherView } from './weather-view.ts';
import { count, counted, duration } from './words.ts';

const CANCELLABLE: ReadonlySet<string> = new Set(['CREATED', 'SCHEDULED', 'RUNNING', 'FAILED', 'UNKNOWN']);
const REFUSALS: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'FORBIDDEN']);
/** A read that takes longer is worth a word. */
const SLOW_MS = 1_500;

const settings = JSON.parse(byId('settings').textContent) as PageSettings;
const { transferIds, pollMs } = settings;

const costs = new Costs();
const transport = createTransport(settings, (cost) => costs.record(cost));
const live = new LiveList(settings.lingerMs);

/** All that is known, beside the rows of the live list. */
const known: {
  stream: 'connecting' | 'live' | 'lost' | Failure;
  lastEventAt: number | undefined;
  transfers: ReadonlyMap<string, RowState>;
  transfersFailure: Failure | undefined;
  askingSince: number | undefined;
  gateOpensAt: number;
} = {
  stream: 'connecting',
  lastEventAt: undefined,
  transfers: new Map(),
  transfersFailure: undefined,
  askingSince: undefined,
  gateOpensAt: 0,
};

const UNSEEN: Sink = { next: () => undefined, lost: () => undefined, failed: () => undefined };

/** Number of readings of the transfers so far: of those that overlap the latest counts. */
let readings = 0;
const weatherView = new WeatherView(announce);

const startForm = createStartForm(transferIds, settings.startTransferId, start);
const liveView = new ListView(byId('live-rows'), byId('live-title'), {
  label: 'Cancel',
  confirm: 'Yes, cancel',
  nameOf: ({ key, transferId }) => `Cancel backfill ${key} of transfer ${transferId}`,
  isPossible: ({ state, hasLeft }) =>
    !hasLeft && 'backfill' in state && CANCELLABLE.has(state.backfill.status),
  run: ({ key }) => cancel(key),
});
const transfersView = new ListView(byId('transfer-rows'), byId('transfers-title'), {
  label: 'Start…',
  nameOf: ({ transferId }) => `Start a backfill of transfer ${transferId}`,
  isPossible: () => true,
  run: ({ transferId }) => {
    startForm.choose(transferId);
    return Promise.resolve(undefined);
  },
});

for (const [id, operation] of Object.entries<Operation<unknown>>({
  'live-operation': LIVE,
  'transfers-operation': TRANSFERS,
  'start-operation': START,
  'cancel-operation': CANCEL,
})) {
  setText(byId(id), operation.text);
}

function followList(): void {
  transport.follow(LIVE, {
    next({ incompleteBackfillsUpdated: backfills }, isFirst) {
      known.stream = 'live';
      known.lastEventAt = Date.now();
      if (isFirst) {
        const missing = live.begin(backfills, Date.now());
        if (missing.length > 0) void settle(missing);
      } else {
        live.change(backfills, Date.now());
      }
      show();
    },
    lost() {
      if (known.stream === 'live') known.stream = 'lost';
      show();
    },
    failed(failure) {
      known.stream = failure;
      noteGate(failure);
      if (REFUSALS.has(failure.code)) {
        live.clear();
        // They may not be shown any longer either.
        void readTransfers();
      }
      show();
    },
  });
}

/** Reads what became of rows that left the list while the connection was away. */
async function settle(ids: readonly string[]): Promise<void> {
  try {
    const { data } = await transport.ask(WHAT_BECAME, {
      ids: ids.slice(0, 100),
    });
    live.settle(ids, data?.backfills ?? [], Date.now());
  } catch {
    live.settle(ids, [], Date.now());
  }
  show();
}

async function readTransfersForEver(): Promise<never> {
  for (;;) {
    await readTransfers();
    await new Promise((resolve) => void setTimeout(resolve, pollMs));
  }
}

async function readTransfers(): Promise<void> {
  readings += 1;
  const mine = readings;
  known.askingSince ??= Date.now();
  const answer = await askOrNone(TRANSFERS, { ids: transferIds });
  if (mine !== readings) return;
  known.askingSince = undefined;
  known.transfersFailure = answer === undefined ? UNREACHABLE : undefined;
  if (answer !== undefined) {
    const [first] = answer.errors;
    if (answer.data === null && first !== undefined) known.transfersFailure = failureOf(first, answer.errors);
    known.transfers = transferStates(transferIds, answer);
    for (const state of known.transfers.values()) if (state.kind === 'failed') noteGate(state.failure);
  }
  show();
}

async function askOrNone<Data>(
  operation: Operation<Data>,
  variables: Readonly<Record<string, unknown>>,
): Promise<Answer<Data> | undefined> {
  try {
    return await transport.ask(operation, variables);
  } catch {
    return undefined;
  }
}

function noteGate({ retryAfterSeconds }: Failure): void {
  if (retryAfterSeconds !== undefined) known.gateOpensAt = Date.now() + retryAfterSeconds * 1_000;
}

async function start(input: StartInput): Promise<Started> {
  const answer = await askOrNone(START, { input });
  const outcome = outcomeOf(answer, answer?.data?.createBackfill);
  if ('backfill' in outcome) {
    announce(`Backfill ${outcome.backfill.id} has begun.`);
    live.change([outcome.backfill], Date.now());
  } else {
    announce(`The backfill was not started: ${outcome.failure.code}. ${outcome.failure.message}`);
  }
  show();
  void readTransfers();
  return outcome;
}

async function cancel(id: string): Promise<Failure | undefined> {
  const answer = await askOrNone(CANCEL, { id });
  const outcome = outcomeOf(answer, answer?.data?.cancelBackfill);
  void readTransfers();
  if ('failure' in outcome) {
    const { code, message } = outcome.failure;
    announce(`Backfill ${id} was not cancelled: ${code}. ${message}`);
    show();
    return { ...outcome.failure, message: `${message} ${adviceFor(outcome.failure)}` };
  }
  announce(`Backfill ${id} is cancelled.`);
  live.change([outcome.backfill], Date.now());
  show();
  return undefined;
}

function outcomeOf(answer: Answer<unknown> | undefined, backfill: Backfill | null | undefined): Started {
  if (backfill !== null && backfill !== undefined) return { backfill };
  const [error] = answer?.errors ?? [];
  return { failure: error === undefined ? UNREACHABLE : failureOf(error, answer?.errors ?? []) };
}

/** Shows all that is known at this moment. */
function show(): void {
  const now = Date.now();
  live.sweep(now);
  const liveRows = live.rows.map(({ backfill, leftAt }): Row => ({
    key: backfill.id,
    transferId: backfill.transfer.id,
    state: stateOf(backfill),
    freshness: { kind: known.stream === 'live' ? 'live' : 'lost' },
    hasLeft: leftAt !== undefined,
  }));
  liveView.show(liveRows, now);
  transfersView.show(
    transferIds.map((id): Row => ({
      key: id,
      transferId: id,
      state: known.transfers.get(id) ?? { kind: 'loading' },
      freshness: { kind: 'read' },
      hasLeft: false,
    })),
    now,
  );
  showStream(liveRows.length, now);
  showTransfersState(now);
  for (const [name, words] of Object.entries(costs.words)) setText(byId(`cost-${name}`), words);
  const states = [
    ...liveRows.filter(({ hasLeft }) => !hasLeft).map(({ state }) => state),
    ...known.transfers.values(),
  ];
  const failures = [
    ...(typeof known.stream === 'object' ? [known.stream] : []),
    ...(known.stream === 'lost' ? [UNREACHABLE] : []),
    ...(known.transfersFailure === undefined ? [] : [known.transfersFailure]),
  ];
  const isWaiting = known.askingSince !== undefined && now - known.askingSince > SLOW_MS;
  weatherView.show(weatherOf(states, failures, isWaiting), known.gateOpensAt - now, now);
}

function showStream(rows: number, now: number): void {
  const { stream, lastEventAt } = known;
  const state = byId('live-state');
  setAttribute(state, 'data-kind', typeof stream === 'object' ? 'failed' : stream);
  setText(state, streamWords(rows, lastEventAt === undefined ? '' : duration(now - lastEventAt)));
  const empty = byId('live-empty');
  setHidden(empty, rows > 0);
  if (stream === 'connecting') setText(empty, 'Loading the list…');
  else if (typeof stream === 'object')
    setText(empty, `The list cannot be read: ${stream.code}. ${stream.message}`);
  else setText(empty, 'Nothing goes on in this team. Start a backfill to see one here.');
}

function streamWords(rows: number, sinceEvent: string): string {
  const { stream } = known;
  if (typeof stream === 'object') return `Ended with ${stream.code}, asking again`;
  switch (stream) {
    case 'connecting':
      return 'Connecting';
    case 'lost':
      return 'Connection lost, trying again';
    case 'live':
      return `Live, ${counted(rows, 'backfill')}, last event ${sinceEvent} ago`;
  }
}

function showTransfersState(now: number): void {
  const waited = known.askingSince === undefined ? 0 : now - known.askingSince;
  const text =
    waited > SLOW_MS
      ? `Waiting for an answer for ${duration(waited)}`
      : `${count(transferIds.length)} transfers, read every ${duration(pollMs)}`;
  setText(byId('transfers-state'), text);
}

/** Says something to screen readers, when they have time. */
function announce(text: string): void {
  setText(byId('announcer'), text);
}

startTroublePanel(settings.troubleUrl);
followList();
if (settings.replicas !== undefined) {
  startReplicasPanel(settings.replicas, announce);
  // The balancer gives each of these to another replica, so that every one has something to read.
  for (let n = 1; n < settings.replicas; n++) transport.follow(LIVE, UNSEEN);
}
void readTransfersForEver();
show();
setInterval(show, 1_000);
