/** What the demo tells its page. It stands in the page's HTML as JSON. */
export interface PageSettings {
  /** Where the sandbox's trouble is told and set. */
  readonly troubleUrl: string;
  readonly token: string;
  readonly teamId: string;
  /** Transfers that the page shows. */
  readonly transferIds: readonly string[];
  /** The one that the form offers first. */
  readonly startTransferId: string;
  /** Milliseconds between two readings of the transfers. */
  readonly pollMs: number;
  /** Milliseconds for which a row that has left the list stays in view. */
  readonly lingerMs: number;
}
