import { byId, element, setAttribute, setHidden, setText } from './parts.ts';
import { ReplicaRates, sumOf } from './replica-rates.ts';
import type { ReplicasTold, ReplicaTold } from './settings.ts';
import { count } from './words.ts';

const LOOK_MS = 2_000;

/**
 * What each replica did, what all of them cost, and the button that pauses Redis. The balancer tells it and keeps it, so it
 * is the same in each tab.
 * @param announce says to screen readers how the replicas stand, when that changes
 */
export function startReplicasPanel(replicas: number, announce: (text: string) => void): void {
  // Relative to the page, as its other addresses are.
  const url = new URL('demo/replicas', document.baseURI);
  const rates = new ReplicaRates();
  const state = byId('replicas-state');
  const button = byId('replicas-redis', HTMLButtonElement);
  const rows = Array.from({ length: replicas }, (_, n) => rowOf(`Replica ${n + 1}`));
  const all = rowOf('All of them');
  byId('replicas-rows').replaceChildren(...rows.map(({ row }) => row));
  byId('replicas-all').replaceChildren(all.row);
  for (const id of ['replicas', 'replicas-link']) setHidden(byId(id), false);
  let isPaused = false;
  /** Of questions that overlap the answer to the latest counts. */
  let questions = 0;

  function show(told: ReplicasTold): void {
    rates.record(told, Date.now());
    told.replicas.forEach((replica, n) => rows[n]?.show(replica, replica.isSharing ? 'shares' : 'alone'));
    const sharing = told.replicas.filter(({ isSharing }) => isSharing).length;
    all.show(
      {
        requests: sumOf(told.replicas, 'requests'),
        sockets: sumOf(told.replicas, 'sockets'),
        calls: sumOf(told.replicas, 'calls'),
        shared: sumOf(told.replicas, 'shared'),
      },
      `${count(sharing)} of ${count(replicas)}`,
    );
    for (const [name, words] of Object.entries(rates.words)) setText(byId(`replicas-${name}`), words);
    isPaused = told.redis === 'paused';
    setText(button, isPaused ? 'Resume Redis' : 'Pause Redis');
    setHidden(button, told.redis === 'ended');
    say(...standing(told.redis, sharing, replicas));
  }

  function say(kind: 'live' | 'connecting' | 'lost', words: string): void {
    if (state.textContent !== '' && state.textContent !== words) announce(words);
    setAttribute(state, 'data-kind', kind);
    setText(state, words);
  }

  async function ask(init: RequestInit): Promise<void> {
    questions += 1;
    const mine = questions;
    try {
      const response = await fetch(url, init);
      if (!response.ok) throw new Error(`The balancer answered ${response.status}.`);
      const told = (await response.json()) as ReplicasTold;
      if (mine === questions) show(told);
    } catch {
      if (mine === questions) say('lost', 'The balancer does not answer');
    }
  }

  button.addEventListener('click', () => {
    const redis = isPaused ? 'running' : 'paused';
    void ask({
      method: 'PUT',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ redis }),
    });
  });
  void ask({});
  setInterval(() => void ask({}), LOOK_MS);
}

function standing(
  redis: ReplicasTold['redis'],
  sharing: number,
  replicas: number,
): ['live' | 'connecting' | 'lost', string] {
  if (redis === 'ended')
    return ['lost', 'Redis has ended: each reads for itself until the demo starts again'];
  if (redis === 'paused')
    return sharing === 0
      ? ['lost', 'Redis is paused: each reads for itself']
      : ['connecting', 'Redis is paused, as each finds out when it asks next'];
  return sharing === replicas
    ? ['live', 'All share what they read through Redis']
    : ['connecting', 'Redis is there: each comes back within 3 s'];
}

interface RowView {
  readonly row: HTMLElement;
  show(counts: Omit<ReplicaTold, 'port' | 'isSharing'> & { readonly port?: number }, standing: string): void;
}

function rowOf(name: string): RowView {
  const row = element('tr', '');
  const head = element('th', `${name} `);
  setAttribute(head, 'scope', 'row');
  const port = element('span', '', 'port');
  head.append(port);
  const cells = Array.from({ length: 5 }, () => element('td', '–'));
  row.append(head, ...cells);
  return {
    row,
    show({ port: number, requests, sockets, calls, shared }, standing) {
      if (number !== undefined) setText(port, `port ${number}`);
      [standing, ...[requests, sockets, calls, shared].map(count)].forEach((words, n) => {
        const cell = cells[n];
        if (cell !== undefined) setText(cell, words);
      });
      setAttribute(row, 'data-standing', standing);
    },
  };
}
