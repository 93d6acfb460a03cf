/** A bounded number of places, each of which one taker holds at a time. */
export interface Places {
  /** @returns a function that gives the place back, however often it is called; undefined when all are taken */
  take(): (() => void) | undefined;
  readonly taken: number;
}

export function createPlaces(max: number): Places {
  let taken = 0;
  return {
    take() {
      if (taken >= max) return undefined;
      taken++;
      let held = true;
      return () => {
        if (held) taken--;
        held = false;
      };
    },
    get taken() {
      return taken;
    },
  };
}
