import { type Agent, request as httpRequest } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

export interface AttackOrder {
  readonly bench: 'door' | 'neighbours';
  readonly step: 'prepare' | 'attack';
  /** Absent where nobody attacks. */
  readonly name: string | undefined;
  readonly port: number;
  /** How long at most. */
  readonly seconds: number;
}

/** What the attackers did and what they got. */
export interface Tally {
  /** Answers by status and first error code; `no answer` where the connection ended without one. */
  readonly answers: Readonly<Record<string, number>>;
  readonly largestBytes: number;
  /** Answers that show a stack or a path of the program. */
  readonly leaks: number;
  /** Connections that were opened and held. */
  readonly held: number;
}

export interface Exchange {
  readonly method?: 'GET' | 'POST';
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** The gateway as an attack sees it, for as long as the attack lasts. */
export interface Target {
  isOver(): boolean;
  untilOver(): Promise<void>;
  /** Sends a request and reads the answer to its end. Never rejects. */
  exchange(exchange: Exchange): Promise<void>;
  /** Sends a GraphQL request for team 1, or another one. */
  ask(request: object, token?: string, teamId?: string): Promise<void>;
  /** Opens a connection, which is counted as held and ends with the attack. It reads nothing by itself. */
  hold(): Promise<Socket | undefined>;
  /** Runs `step` over and over, `atOnce` at a time, until the attack is over or `steps` are done. */
  repeat(atOnce: number, step: (number: number) => Promise<void>, steps?: number): Promise<void>;
  /** Counts an answer that came to a connection which is held. */
  count(what: string): void;
}

const SHOWN = /\n\s+at |node_modules|file:\/\/|\/dist\//;
const LOOKED_AT = 4_096;
/** After a connection that failed: attackers that spin do not get any further either. */
const PAUSE_MS = 20;

/** What `end` gives back is final, and every connection is closed then. */
export function createTarget(
  { port, seconds }: AttackOrder,
  /** Kept connections, from one step to the next. */
  agent: Agent,
): { readonly target: Target; tally(): Tally; end(): Tally } {
  const endsAt = Date.now() + seconds * 1000;
  const sockets = new Set<Socket>();
  const answers: Record<string, number> = {};
  let largestBytes = 0;
  let leaks = 0;
  let held = 0;
  const isOver = (): boolean => Date.now() >= endsAt;
  let over: (() => void) | undefined;
  const end = new Promise<void>((resolve) => (over = resolve));
  setTimeout(() => over?.(), seconds * 1000);

  function count(what: string): void {
    answers[what] = (answers[what] ?? 0) + 1;
  }

  async function exchange({
    method = 'POST',
    path = '/graphql',
    headers = {},
    body = '',
  }: Exchange): Promise<void> {
    const answered = await Promise.race([end.then(() => true), send({ method, path, headers, body })]);
    if (!answered) await sleep(PAUSE_MS);
  }

  function send({ method, path, headers, body }: Required<Exchange>): Promise<boolean> {
    return new Promise((resolve) => {
      const request = httpRequest({ host: '127.0.0.1', port, agent, method, path, headers }, (response) => {
        let bytes = 0;
        let start = '';
        response.on('data', (chunk: Buffer) => {
          bytes += chunk.length;
          if (start.length < LOOKED_AT) start += chunk.toString('latin1');
        });
        response.once('close', () => {
          const [, code = ''] = /"code":"(\w+)"/.exec(start) ?? [];
          count(`${response.statusCode ?? '?'} ${code}`.trim());
          largestBytes = Math.max(largestBytes, bytes);
          if (SHOWN.test(start)) leaks++;
          resolve(true);
        });
        response.on('error', () => undefined);
      });
      request.once('socket', (socket) => sockets.add(socket));
      request.on('error', () => {
        count('no answer');
        resolve(false);
      });
      request.end(body);
    });
  }

  const target: Target = {
    isOver,
    untilOver: () => end,
    exchange,
    count,
    ask: (request, token, teamId = '1') =>
      exchange({
        headers: {
          'content-type': 'application/json',
          'x-team-id': teamId,
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        body: JSON.stringify(request),
      }),
    hold() {
      const socket = connect(port, '127.0.0.1').pause();
      sockets.add(socket);
      return new Promise((resolve) => {
        socket.once('connect', () => {
          held++;
          resolve(socket);
        });
        socket.on('error', () => resolve(undefined));
      });
    },
    async repeat(atOnce, step, steps = Infinity) {
      let next = 0;
      await Promise.all(
        Array.from({ length: atOnce }, async () => {
          while (!isOver() && next < steps) await step(next++);
        }),
      );
    },
  };
  const tally = (): Tally => ({ answers: { ...answers }, largestBytes, leaks, held });
  return {
    target,
    tally,
    end() {
      const final = tally();
      for (const socket of sockets) socket.destroy();
      agent.destroy();
      return final;
    },
  };
}
