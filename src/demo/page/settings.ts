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
  /** The number of gateways behind a balancer; without it there is one gateway and none. */
  readonly replicas?: number;
}

/** `paused`: it takes what is sent to it and answers nothing. */
export type RedisState = 'running' | 'paused' | 'ended';

/** How the replicas stand, as the balancer tells it. Counts are since the start of the demo. */
export interface ReplicasTold {
  readonly redis: RedisState;
  readonly replicas: readonly ReplicaTold[];
}

export interface ReplicaTold {
  readonly port: number;
  /** Requests to `/graphql` that it answered. */
  readonly requests: number;
  /** WebSockets that are open. */
  readonly sockets: number;
  /** Calls to the REST API. */
  readonly calls: number;
  /** Reads that another replica had made or was making. */
  readonly shared: number;
  readonly isSharing: boolean;
}
