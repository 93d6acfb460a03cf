/** Bounds what many hold together, in bytes. */
export interface ByteBudget {
  /** Whether so many bytes could be taken now. */
  hasRoomFor(bytes: number): boolean;
  /** @returns whether there was room; where there was none, nothing is taken */
  take(bytes: number): boolean;
  /** Gives back what was taken. */
  release(bytes: number): void;
}

/** What asks for more than a quarter of what is free gets nothing, so that the large are refused before the small. */
const MOST_OF_WHAT_IS_FREE = 1 / 4;

export function createByteBudget(maxBytes: number): ByteBudget {
  let free = maxBytes;
  const hasRoomFor = (bytes: number): boolean => bytes <= free * MOST_OF_WHAT_IS_FREE;
  return {
    hasRoomFor,
    take(bytes) {
      if (!hasRoomFor(bytes)) return false;
      free -= bytes;
      return true;
    },
    release(bytes) {
      free += bytes;
    },
  };
}
