import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';

/**
 * Listens at the first of these ports that is free. Rejects with the error of the last one.
 * @param ports 0 takes any free port
 */
export async function listen(
  handle: RequestListener,
  host: string,
  [port = 0, ...others]: readonly number[],
): Promise<Server> {
  const server = createServer(handle);
  try {
    server.listen(port, host);
    await once(server, 'listening');
    return server;
  } catch (error) {
    if (others.length === 0) throw error;
    return listen(handle, host, others);
  }
}
