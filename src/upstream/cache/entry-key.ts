import type { ResourceId } from '../../ids.ts';

/**
 * Names one entry, by its identity: a page of fifty rows looks up a hundred entries, and text that is put together for each
 * look takes longer than the look. The team finds the key by the id, in the index to which it belongs while the entry is kept.
 */
export class EntryKey {
  readonly id: ResourceId;
  readonly #index: Map<ResourceId, EntryKey> | undefined;

  constructor(id: ResourceId, index?: Map<ResourceId, EntryKey>) {
    this.id = id;
    this.#index = index;
  }

  /** The entry is kept. */
  hold(): void {
    this.#index?.set(this.id, this);
  }

  /** The entry is not kept any more. */
  letGo(): void {
    this.#index?.delete(this.id);
  }
}
