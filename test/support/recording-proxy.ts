import { type IncomingHttpHeaders, request as send } from 'node:http';
import { text } from 'node:stream/consumers';
import { listen } from './listen.ts';

export interface RecordedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly query: string;
  readonly variables: Readonly<Record<string, unknown>> | undefined;
}

export interface RecordingProxy {
  readonly url: string;
  /** Every GraphQL request that came by, oldest first. */
  readonly requests: readonly RecordedRequest[];
  reset(): void;
}

/** Stands before a GraphQL server, passes requests and answers on unchanged, and keeps the requests. */
export async function startRecordingProxy(target: string): Promise<RecordingProxy> {
  const requests: RecordedRequest[] = [];
  const origin = await listen((request, response) => {
    void text(request).then((body) => {
      const { method, headers } = request;
      requests.push({ headers, ...(JSON.parse(body) as Pick<RecordedRequest, 'query' | 'variables'>) });
      send(target, { method, headers }, (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(response);
      })
        .on('error', () => response.destroy())
        .end(body);
    });
  });
  return {
    url: `${origin}/graphql`,
    requests,
    reset: () => void requests.splice(0),
  };
}
