import { type IncomingHttpHeaders, request as send, type RequestListener } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { serve } from './serve.ts';

export interface RecordedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
}

export interface RecordingProxy {
  readonly url: string;
  /** Every GraphQL request that came by, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** How many WebSockets were opened. */
  readonly sockets: number;
  reset(): void;
}

/** A proxy before a GraphQL server. It passes everything on unchanged, WebSockets too, and records the requests. */
export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const requests: RecordedRequest[] = [];
  let sockets = 0;
  const handle: RequestListener = (request, response) => {
    void text(request).then((body) => {
      const { method, headers, url = '/' } = request;
      const to = new URL(url, target);
      requests.push({ headers, ...(body === '' ? paramsOf(to) : (JSON.parse(body) as Params)) });
      const onward = send(to, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      });
      // The upstream must notice a client that leaves a stream.
      response.on('close', () => onward.destroy());
      onward.on('error', () => response.destroy()).end(body);
    });
  };
  const origin = await serve(handle, (request, socket, head) => {
    sockets++;
    const { method = 'GET', url = '/', rawHeaders } = request;
    const lines = rawHeaders.flatMap((name, n) =>
      n % 2 === 0 ? [`${name}: ${rawHeaders[n + 1] ?? ''}`] : [],
    );
    const onward = connect(Number(new URL(target).port), '127.0.0.1');
    onward.write([`${method} ${url} HTTP/1.1`, ...lines, '', ''].join('\r\n'));
    onward.write(head);
    onward.pipe(socket).pipe(onward);
    const end = (): void => {
      onward.destroy();
      socket.destroy();
    };
    for (const one of [onward, socket]) one.on('error', end).on('close', end);
  });
  return {
    url: `${origin}/graphql`,
    requests,
    get sockets() {
      return sockets;
    },
    reset: () => void requests.splice(0),
  };
}

type Params = Pick<RecordedRequest, 'query' | 'variables'>;

function paramsOf({ searchParams }: URL): Params {
  const variables = JSON.parse(searchParams.get('variables') ?? 'null') as Params['variables'] | null;
  return { query: searchParams.get('query') ?? '', variables: variables ?? undefined };
}
