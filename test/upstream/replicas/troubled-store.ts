import type { News, SharedStore } from '../../../src/upstream/replicas/shared-store.ts';
import type { ManualClock } from '../../support/manual-clock.ts';

/** What stands between one replica and the store. Times are in milliseconds of the injected clock. */
export interface Network {
  /** How long each way of a step takes. */
  latencyMs: () => number;
  /** `paused`: no step is answered until it is over. `gone`: each step fails at once. */
  state: 'well' | 'paused' | 'gone';
  /** How often each piece of news arrives: 0, 1 or 2 times. */
  copies: () => number;
}

/** The store as a replica reaches it over a network. Steps of one replica arrive in their order, as over one connection. */
export function overNetwork(store: SharedStore, network: Network, clock: ManualClock): SharedStore {
  let lastArrival: Promise<unknown> = Promise.resolve();
  let lastAnswer: Promise<unknown> = Promise.resolve();

  async function way(behind: Promise<unknown>): Promise<void> {
    await passed(clock, network.latencyMs());
    while (network.state === 'paused') await passed(clock, 20);
    await behind.catch(() => undefined);
    if (network.state === 'gone') throw new Error('ECONNRESET');
  }

  function step<Value>(make: () => Promise<Value>): Promise<Value> {
    const made = way(lastArrival).then(make);
    lastArrival = made.catch(() => undefined);
    const before = lastAnswer;
    const answered = made.then(async (value) => {
      await way(before);
      return value;
    });
    lastAnswer = answered.catch(() => undefined);
    return answered;
  }

  return {
    ask: (asked) => step(() => store.ask(asked)),
    finish: (finished) => step(() => store.finish(finished)),
    renew: (locks) => step(() => store.renew(locks)),
    release: (locks) => step(() => store.release(locks)),
    change: (changed) => step(() => store.change(changed)),
    report: (reports, kin) => step(() => store.report(reports, kin)),
    onNews(listener) {
      store.onNews((news: News | undefined) => {
        if (network.state !== 'well') return;
        for (let copy = network.copies(); copy > 0; copy--) {
          clock.after(network.latencyMs(), () => listener(news));
        }
      });
    },
    onConnection: (listener) => store.onConnection(listener),
    close: () => store.close(),
  };
}

export function passed(clock: ManualClock, milliseconds: number): Promise<void> {
  return new Promise((resolve) => clock.after(milliseconds, resolve));
}
