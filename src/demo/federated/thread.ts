import { parentPort, workerData } from 'node:worker_threads';
import { type FederatedOptions, startFederated } from './federated.ts';

/** The thread of the composed graph: it tells its ports when it is ready, and ends at the first message. */
const { close, ...ports } = await startFederated(workerData as FederatedOptions);
parentPort?.once('message', () => void close());
parentPort?.postMessage(ports);
