/** A part of the room, for one body. */
export interface RoomClaim {
  /** Who reads the body. */
  readonly partition: string;
  readonly bytes: number;
  /** Called when the room is there, at once or later. */
  grant(): void;
  /** Called when the room is taken away again: the body has to be dropped. */
  revoke(): void;
}

/**
 * The room in memory for large bodies that are being read. A body that finds no room waits, and the partition that
 * holds least is served first. Where it would still hold less than another, the one that holds most gives up its latest
 * body: a partition that fills the room with bodies that do not end holds up no other.
 */
export interface BodyRoom {
  claim(claim: RoomClaim): void;
  /** Ends a claim, granted or not. Does nothing for one that was revoked. */
  release(claim: RoomClaim): void;
}

export function createBodyRoom(maxBytes: number): BodyRoom {
  const granted = new Set<RoomClaim>();
  const waiting = new Set<RoomClaim>();
  const held = new Map<string, number>();
  let free = maxBytes;

  const heldBy = (partition: string): number => held.get(partition) ?? 0;

  function take(claim: RoomClaim): void {
    granted.add(claim);
    free -= claim.bytes;
    held.set(claim.partition, heldBy(claim.partition) + claim.bytes);
  }

  function giveBack(claim: RoomClaim): boolean {
    if (!granted.delete(claim)) return false;
    free += claim.bytes;
    const left = heldBy(claim.partition) - claim.bytes;
    if (left === 0) held.delete(claim.partition);
    else held.set(claim.partition, left);
    return true;
  }

  function madeRoomFor({ partition, bytes }: RoomClaim): boolean {
    while (free < bytes) {
      const [most, mostBytes] = [...held].reduce((a, b) => (b[1] > a[1] ? b : a), ['', 0]);
      if (mostBytes <= heldBy(partition) + bytes) return false;
      const latest = [...granted].findLast((claim) => claim.partition === most);
      if (latest === undefined) return false;
      giveBack(latest);
      latest.revoke();
    }
    return true;
  }

  function grantWaiting(): void {
    while (waiting.size > 0) {
      const next = [...waiting].reduce((a, b) => (heldBy(b.partition) < heldBy(a.partition) ? b : a));
      if (!madeRoomFor(next)) return;
      waiting.delete(next);
      take(next);
      next.grant();
    }
  }

  return {
    claim(claim) {
      waiting.add(claim);
      grantWaiting();
    },
    release(claim) {
      const wasWaiting = waiting.delete(claim);
      if (giveBack(claim) || wasWaiting) grantWaiting();
    },
  };
}
