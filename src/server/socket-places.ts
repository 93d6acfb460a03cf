import { Crowd } from '../crowd.ts';
import type { Shares } from '../shares.ts';

/** An open socket. */
export interface Holder {
  /** {@link Credential.id}, or what stands for it; changes when the socket says whose it is. */
  readonly caller: string;
  /** Whether nothing is under way on it, streams included. */
  readonly isIdle: boolean;
  /** Gives its place back, and closes. */
  giveUp(): void;
}

/**
 * The places of open sockets. A caller who is beyond his share, and whom the REST API has not accepted, may take the place
 * of such a socket that does nothing. Otherwise clients without a credential, or with invented ones, could keep all new
 * ones out for ever.
 */
export interface Places {
  /** @returns a function that gives the place back and may be called again; undefined where there is none */
  take(caller: string): (() => void) | undefined;
  /**
   * Keeps an open socket in mind, whose place another may need.
   * @returns a function to call when it is closed
   */
  add(holder: Holder): () => void;
}

interface Unproven {
  readonly holder: Holder;
  readonly leave: () => void;
}

/**
 * @param open of open sockets
 * @param isAccepted whether the REST API has accepted the caller
 */
export function createPlaces(open: Shares, isAccepted: (caller: string) => boolean): Places {
  /** Those of callers who were not accepted when they came, the oldest first. */
  const unproven = new Crowd<Unproven>();

  /** Takes the oldest one of this caller, or of another who has more. */
  function takeIdle(caller: string): Holder | undefined {
    const held = open.heldBy(caller);
    for (const { holder, leave } of unproven) {
      const { caller: other } = holder;
      if (isAccepted(other)) leave();
      else if (holder.isIdle && (other === caller || open.heldBy(other) > held)) {
        leave();
        return holder;
      }
    }
    return undefined;
  }

  return {
    take(caller) {
      const place = open.take(caller);
      if (place !== undefined || isAccepted(caller)) return place;
      const idle = takeIdle(caller);
      if (idle === undefined) return undefined;
      idle.giveUp();
      return open.take(caller);
    },

    add(holder) {
      if (isAccepted(holder.caller)) return () => undefined;
      const leave = (): void => void unproven.leave(place);
      const place = unproven.join({ holder, leave });
      return leave;
    },
  };
}
