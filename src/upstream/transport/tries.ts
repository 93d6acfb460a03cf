/** One exchange of a call. */
export interface Try<Outcome> {
  readonly outcome: Promise<Outcome>;
  /** Gives it up. How its outcome settles does not matter then. */
  abandon(): void;
}

export interface Race<Outcome> {
  /** Ends it with an outcome from outside. */
  end(outcome: Outcome): void;
  /** Asks again for a second try. */
  beginSecond(): void;
}

export interface RaceOptions<Outcome> {
  /** When the second try begins, in milliseconds from now, if the first has not ended by then. */
  readonly secondAfterMs: number;
  /** Begins a second try; undefined where it may not be made. */
  readonly beginSecond: () => Try<Outcome> | undefined;
  readonly isGood: (outcome: Outcome) => boolean;
  /** Called for a try that ended without being the outcome; `undefined` for one that was abandoned. */
  readonly onSpent: (outcome: Outcome | undefined) => void;
  /** Given the race, which has begun. */
  readonly onBegin: (race: Race<Outcome>) => void;
  /** Called when the race has ended. */
  readonly onEnd: () => void;
}

/**
 * Races a try and, where it takes long, a second one beside it. The first good outcome wins, and the other try is
 * abandoned. Where a try ends badly, the other one may still make up for it.
 */
export function race<Outcome>(first: Try<Outcome>, options: RaceOptions<Outcome>): Promise<Outcome> {
  const { secondAfterMs, beginSecond, isGood, onSpent, onBegin, onEnd } = options;
  return new Promise((resolve, reject) => {
    let running: readonly Try<Outcome>[] = [];
    const timer = setTimeout(trySecond, secondAfterMs);

    function trySecond(): void {
      if (running.length === 0) return;
      const second = beginSecond();
      if (second !== undefined) follow(second);
    }

    function end(outcome: Outcome): void {
      clearTimeout(timer);
      const others = running;
      running = [];
      for (const other of others) {
        other.abandon();
        onSpent(undefined);
      }
      onEnd();
      resolve(outcome);
    }

    function follow(one: Try<Outcome>): void {
      running = [...running, one];
      one.outcome.then((outcome) => {
        if (!running.includes(one)) return;
        running = running.filter((other) => other !== one);
        if (!isGood(outcome) && running.length > 0) onSpent(outcome);
        else end(outcome);
      }, reject);
    }

    onBegin({ end, beginSecond: trySecond });
    follow(first);
  });
}
