import { MinuteCounter } from './minute-counter.ts';

/**
 * Why a call is made, in the words of a list-watch cache. A `miss` has nothing known to go by and cannot wait. A
 * `refresh` looks again at something that can change. A `resync` asks an endpoint about something that team lists have
 * confirmed meanwhile. How often the last two come is the governor's to stretch.
 */
export type CallReason = 'miss' | 'refresh' | 'resync';

/** The factors by which a credential's lifetimes are multiplied so that its hour lasts. */
export interface Stretch {
  /** For whatever can still change, and for the interval between polls; 1 to {@link MAX_STRETCH}. */
  readonly changing: number;
  /** For whatever is as good as final. It is the first to give, since nobody watches it change; 1 to {@link MAX_FINAL_STRETCH}. */
  readonly final: number;
}

export const MAX_STRETCH = 30;
export const MAX_FINAL_STRETCH = 120;

/** Measuring window in minutes. It grows with the stretch, so that it always spans about as many refreshes. */
const WINDOW_MINUTES = 5;
/** How long resyncs are foreseen, in minutes. It exceeds an hour because a stretched final lifetime may. */
const RESYNC_MINUTES = 120;

/** Calls an hour that would be made without any stretch, by reason. */
export interface Foreseen {
  readonly misses: number;
  readonly refreshes: number;
  readonly resyncs: number;
}

export const NOTHING_FORESEEN: Foreseen = { misses: 0, refreshes: 0, resyncs: 0 };

/**
 * Forecasts how many calls a credential would make in an hour without any stretch, by the reason of the calls. Demand is
 * estimated from the reasons, because the calls themselves already reflect the stretch.
 */
export class Demand {
  readonly #misses: MinuteCounter;
  readonly #refreshes: MinuteCounter;
  /** Reads at a resource's own endpoint. */
  readonly #endpointReads: MinuteCounter;
  readonly #finalMinutes: number;

  /** @param finalTtlMs the unstretched final lifetime, `CACHE_FINAL_TTL_MS` */
  constructor(now: number, finalTtlMs: number) {
    this.#misses = new MinuteCounter(now);
    this.#refreshes = new MinuteCounter(now);
    this.#endpointReads = new MinuteCounter(now, RESYNC_MINUTES);
    this.#finalMinutes = finalTtlMs / 60_000;
  }

  /** Counts a call. A refresh counts `stretch` times: unstretched, it would have been made that often. */
  record(now: number, reason: CallReason, { changing }: Stretch): void {
    if (reason === 'refresh') this.#refreshes.add(now, changing);
    else this.#endpointReads.add(now, 1);
    if (reason === 'miss') this.#misses.add(now, 1);
  }

  foresee(now: number, stretch: Stretch): Foreseen {
    return {
      misses: this.#missesAnHour(now),
      refreshes: this.#refreshes.rate(now, WINDOW_MINUTES * stretch.changing),
      resyncs: this.#resyncsAnHour(now, stretch),
    };
  }

  /** A page that is opened is a burst that ends; a demand that goes on shows in both figures. */
  #missesAnHour(now: number): number {
    return Math.min(this.#misses.total(now), this.#misses.rate(now, WINDOW_MINUTES));
  }

  /**
   * Each endpoint read of the last lifetime falls due once in the next. Counting past resyncs would show
   * none until all are due at once.
   */
  #resyncsAnHour(now: number, { final }: Stretch): number {
    const lifetime = Math.min(RESYNC_MINUTES, Math.max(1, this.#finalMinutes * final));
    return (this.#endpointReads.within(now, lifetime) / lifetime) * 60 * final;
  }
}
