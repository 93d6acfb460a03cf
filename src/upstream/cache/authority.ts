import type { Clock } from '../../clock.ts';

/** How long an accepted read allows to show what is kept of its team. */
export const AUTHORITY_MS = 60_000;

/**
 * Whether one credential may be shown what is kept of one team. An accepted read allows it for {@link AUTHORITY_MS}: a 2xx,
 * the list's included. A 404 proves nothing but itself. After a 403 nothing is shown until a read is accepted that was sent
 * later. Moments are monotonic milliseconds.
 */
export class Authority {
  readonly #clock: Pick<Clock, 'monotonic'>;
  /** When the last accepted read was sent. */
  #acceptedAt = -Infinity;
  /** When the last 404 came. */
  #notFoundAt = -Infinity;
  /** When the last 403 came. */
  #refusedAt = -Infinity;
  #isRefused = false;

  constructor(clock: Pick<Clock, 'monotonic'>) {
    this.#clock = clock;
  }

  /** Whether no read has been accepted since the last 403. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /**
   * @param holdsAt when it still held; when it was sent, if nothing else is known
   * @returns whether the accepted read held after the last 403 came, and so counts
   */
  accept(sentAt: number, holdsAt = sentAt): boolean {
    if (!this.covers(holdsAt)) return false;
    this.#isRefused = false;
    this.#acceptedAt = Math.max(this.#acceptedAt, sentAt);
    return true;
  }

  /** @param at when the 404 came */
  noteNotFound(at: number): void {
    this.#notFoundAt = Math.max(this.#notFoundAt, at);
  }

  refuse(): void {
    this.#refusedAt = this.#clock.monotonic();
    this.#isRefused = true;
  }

  /** Whether what was sent then may be kept. What was sent before a 403 came is as good as dropped with the rest. */
  covers(sentAt: number): boolean {
    return sentAt >= this.#refusedAt;
  }

  /** Until when what is kept may be shown. @param verifiedAt of a 404, which needs no authority but its own */
  until(verifiedAt = -Infinity): number {
    return Math.max(this.#acceptedAt, verifiedAt) + AUTHORITY_MS;
  }

  /** Whether a read was accepted that was sent at the moment or later. */
  hasSince(moment: number): boolean {
    return this.#acceptedAt >= moment;
  }

  /** Whether a read was accepted lately, seen from the moment. */
  isHeld(moment = this.#clock.monotonic()): boolean {
    return !this.#isRefused && moment <= this.until();
  }

  /** Whether a read was lately answered with anything but a refusal. */
  isProven(): boolean {
    return !this.#isRefused && this.#clock.monotonic() <= this.until(this.#notFoundAt);
  }
}
