import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { NEWS, SCRIPTS } from './redis-scripts.ts';
import type {
  Asked,
  ChangedResource,
  Hour,
  News,
  Report,
  SharedStore,
  Standing,
  Survey,
  Told,
  ToldResource,
} from './shared-store.ts';

export interface RedisStoreOptions {
  /** `REDIS_URL` */
  readonly url: URL;
  /** How long it may take to connect, in milliseconds. */
  readonly connectMs?: number;
  /** Names this process among the replicas. */
  readonly replica: string;
  /** From 0 to 1; spreads reconnecting. */
  readonly random?: () => number;
}

const LEAST_RECONNECT_MS = 100;
const MOST_RECONNECT_MS = 2_000;
/** Two connections: one that is subscribed takes no other commands. */
const CONNECTIONS = 2;

type ScriptName = keyof typeof SCRIPTS;
/** What a script returns, texts as bytes. */
type Reply = number | null | Buffer | readonly Reply[];

/**
 * The store in Redis or Valkey. The client's own queue and its repeated commands are off: a command that cannot be sent
 * now fails now, and one whose answer is lost is never sent again.
 */
export function createRedisStore(options: RedisStoreOptions): SharedStore {
  const { url, connectMs = MOST_RECONNECT_MS, replica, random = Math.random } = options;
  const settings = {
    lazyConnect: true,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    // Done by hand, so that its failure is seen.
    autoResubscribe: false,
    // What is asked for in one turn of the event loop is one write.
    enableAutoPipelining: true,
    maxRetriesPerRequest: 0,
    // Whoever may do no more than the README grants is refused it.
    disableClientInfo: true,
    connectTimeout: connectMs,
    retryStrategy: (times: number) =>
      (0.5 + random() / 2) * Math.min(MOST_RECONNECT_MS, LEAST_RECONNECT_MS * 2 ** Math.min(times, 10)),
  };
  const redis = new Redis(url.href, settings);
  const subscriber = new Redis(url.href, settings);
  const listeners: ((news: News | undefined) => void)[] = [];
  const watchers: ((isThere: boolean, code?: string) => void)[] = [];
  let ready = 0;
  /** Why there is no connection, as far as is known. */
  let trouble: (Error & { readonly code?: string }) | undefined;
  watch(redis, () => Promise.resolve());
  watch(subscriber, async () => {
    await subscriber.subscribe(NEWS);
    tell(undefined);
  });
  for (const [name, lua] of Object.entries(SCRIPTS)) redis.defineCommand(name, { numberOfKeys: 0, lua });
  subscriber.on('message', (_channel: string, text: string) => {
    const news = newsIn(text, replica);
    if (news !== undefined) tell(news);
  });

  /** @param prepare what a connection is of no use without */
  function watch(connection: Redis, prepare: () => Promise<void>): void {
    let isReady = false;
    const isThere = (): void => {
      isReady = true;
      if (++ready < CONNECTIONS) return;
      trouble = undefined;
      changed(true);
    };
    connection.on('ready', () => {
      prepare().then(isThere, (error: unknown) => {
        trouble = error instanceof Error ? error : new Error('failed');
        // It is tried again, as one that was lost.
        connection.disconnect(true);
      });
    });
    connection.on('error', (error: Error & { readonly code?: string }) => (trouble = error));
    connection.on('close', () => {
      if (!isReady) return;
      isReady = false;
      if (ready-- === CONNECTIONS) changed(false);
    });
    connection.connect().catch(() => undefined);
  }

  function changed(isThere: boolean): void {
    for (const watcher of watchers) watcher(isThere, trouble?.code);
  }

  function tell(news: News | undefined): void {
    for (const listener of listeners) listener(news);
  }

  async function run(name: ScriptName, argument: object, ...sealed: readonly Buffer[]): Promise<Reply> {
    const json = JSON.stringify({ ...argument, random: randomBytes(16).toString('base64url'), replica });
    // The types of the client know its own commands alone, and not those that are defined at run time.
    const script = (redis as unknown as Readonly<Record<string, (...args: unknown[]) => Promise<Reply>>>)[
      `${name}Buffer`
    ];
    if (script === undefined) throw new Error(`Redis has no script ${name}`);
    // Without the news too much would be heard of too late.
    if (ready < CONNECTIONS && trouble !== undefined) throw trouble;
    try {
      return await script.call(redis, json, ...sealed);
    } catch (error) {
      // The client says only that it has no connection, and not why.
      throw ready < CONNECTIONS ? (trouble ?? error) : error;
    }
  }

  return {
    async ask(asked) {
      return toldIn(await run('ask', jsonOf(asked)));
    },
    async finish({ outcome, ...finished }) {
      const { sealed, ...rest } = outcome;
      await run('finish', { ...finished, ...rest }, sealed);
    },
    async renew(locks) {
      await run('renew', { locks });
    },
    async release(locks) {
      await run('release', { locks });
    },
    async change({ of, version, marks, resources = [], standing }) {
      const sealed = [...(standing?.sealed ?? [])];
      const argumentOf = ({ value, ...resource }: ChangedResource): object => {
        if (value === undefined) return resource;
        const { sealed: bytes, ...rest } = value;
        // The first one is the argument in JSON.
        return { ...resource, ...rest, arg: 1 + sealed.push(bytes) };
      };
      const lifeMs = standing?.lifeMs;
      await run('change', { of, version, marks, lifeMs, resources: resources.map(argumentOf) }, ...sealed);
    },
    async report(reports, kin) {
      return surveyIn(await run('report', { kin: kin ?? [], reports: reports.map(jsonOfReport) }));
    },
    onNews(listener) {
      listeners.push(listener);
    },
    onConnection(listener) {
      watchers.push(listener);
      if (ready === CONNECTIONS) listener(true);
    },
    close() {
      redis.disconnect();
      subscriber.disconnect();
      return Promise.resolve();
    },
  };
}

/** JSON knows neither `undefined` nor `Infinity`. */
function jsonOf({ resources, ...asked }: Asked): object {
  return {
    ...asked,
    resources: resources.map(({ since, ...resource }) => ({
      ...resource,
      ...(since === Infinity ? {} : { since }),
    })),
  };
}

function jsonOfReport({ added, restored, ...report }: Report): object {
  return { ...report, added: [...added], restored: [...restored] };
}

/** Undefined where it is this replica's own, or nothing that one of us tells. */
function newsIn(text: string, replica: string): News | undefined {
  const [kind, teller, first = '', second = ''] = text.split(' ');
  if (teller === replica) return undefined;
  if (kind === 'c') return { kind: 'changed', names: first.split(',') };
  if (kind === 'a') return { kind: 'answered', team: first.split(','), names: second.split(',') };
  return undefined;
}

function toldIn(reply: Reply): Told {
  const [now, epoch, credential, team, told, counted] = listIn(reply);
  return {
    now: numberIn(now),
    epoch: textIn(epoch),
    credential: standingIn(credential),
    team: standingIn(team),
    resources: listIn(told).map(resourceIn),
    minute: minuteIn(counted),
  };
}

/** Lua's `false` comes as null. */
function minuteIn(reply: Reply | undefined): Told['minute'] {
  if (reply === null || reply === undefined) return undefined;
  const [minute, calls] = listIn(reply);
  return { minute: numberIn(minute), calls: numberIn(calls) };
}

function standingIn(reply: Reply | undefined): Standing {
  const [marks, version, previous, under, sealed] = listIn(reply);
  return {
    marks: listIn(marks).map(textIn),
    version: textIn(version),
    previous: textIn(previous),
    remembered: Buffer.isBuffer(sealed) ? { sealed, under: numberIn(under) } : undefined,
  };
}

function resourceIn(reply: Reply): ToldResource {
  const [first, second, under, at, sealed] = listIn(reply);
  const state = textIn(first);
  switch (state) {
    case 'value':
      return {
        state,
        marks: listIn(second).map(textIn),
        under: numberIn(under),
        at: numberIn(at),
        sealed: bytesIn(sealed),
      };
    case 'mine':
    case 'none':
      return { state, marks: listIn(second).map(textIn) };
    case 'held':
      return { state, holder: textIn(second) };
    case 'failed':
      return { state, sealed: bytesIn(second) };
    case 'look':
      return { state };
    default:
      throw new NonsenseError(`the state ${state}`);
  }
}

function surveyIn(reply: Reply): Survey {
  const [now, replicas, foreign, hours] = listIn(reply);
  return {
    now: numberIn(now),
    replicas: numberIn(replicas),
    foreign: numberIn(foreign),
    hours: listIn(hours).map(hourIn),
  };
}

function hourIn(reply: Reply): Hour {
  const [generation, revision, flat, misses, refreshes, resyncs, stretch] = listIn(reply);
  const numbers = listIn(flat).map(numberIn);
  const calls = new Map<number, number>();
  for (let i = 0; i + 1 < numbers.length; i += 2) calls.set(numbers[i] ?? 0, numbers[i + 1] ?? 0);
  return {
    generation: textIn(generation),
    revision: numberIn(revision),
    calls,
    foreseen: { misses: amountIn(misses), refreshes: amountIn(refreshes), resyncs: amountIn(resyncs) },
    stretch: amountIn(stretch),
  };
}

/** A reply that no script of ours gives. What it says is not repeated, since it may be anybody's. */
class NonsenseError extends Error {
  override readonly name = 'NonsenseError';
  constructor(expected: string) {
    super(`Redis gave another reply than ${expected}`);
  }
}

function listIn(reply: Reply | undefined): readonly Reply[] {
  if (!Array.isArray(reply)) throw new NonsenseError('a list');
  return reply as readonly Reply[];
}

function numberIn(reply: Reply | undefined): number {
  if (typeof reply !== 'number') throw new NonsenseError('a number');
  return reply;
}

/** A fraction, which Redis gives as a text. */
function amountIn(reply: Reply | undefined): number {
  const amount = Number(textIn(reply));
  if (!Number.isFinite(amount)) throw new NonsenseError('a number');
  return amount;
}

function bytesIn(reply: Reply | undefined): Buffer {
  if (!Buffer.isBuffer(reply)) throw new NonsenseError('a text');
  return reply;
}

function textIn(reply: Reply | undefined): string {
  return bytesIn(reply).toString();
}
