import { createServer, type IncomingMessage } from 'node:http';
import { createRestApi, PORT, UPSTREAM_URL } from './rest-api.ts';

/**
 * What node:http itself allows. It parses the body of a request, finds the text of each row that is asked for in a map, and
 * joins them; no GraphQL, no checks, no log. Each row is read once and kept for ever, for each credential by itself.
 */
const rest = createRestApi(async (path, authorization) =>
  (await fetch(UPSTREAM_URL + path, { headers: { authorization } })).json(),
);

interface Texts {
  readonly backfills: Map<string, string>;
  readonly transfers: Map<string, string>;
}

const textsOf = new Map<string, Texts>();

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    const [first] = chunks;
    const body = first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks);
    const { variables } = JSON.parse(body.toString()) as {
      readonly variables: { readonly id?: string; readonly ids?: readonly string[] };
    };
    const { id, ids = [] } = variables;
    const answer = (): string | undefined => {
      const texts = ownTexts(request);
      if (id === undefined) return listOf(ids, texts.transfers);
      const text = texts.backfills.get(id);
      return text && `{"data":{"backfill":${text}}}`;
    };
    const send = (text: string): void => {
      response.writeHead(200, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(text),
      });
      response.end(text);
    };
    const known = answer();
    if (known !== undefined) send(known);
    else void readRows(request, id, ids).then(() => send(answer() ?? ''));
  });
}).listen(PORT, '127.0.0.1', 4096);

/** @returns undefined where a row has not been read yet */
function listOf(ids: readonly string[], transfers: ReadonlyMap<string, string>): string | undefined {
  let text = '{"data":{"transfers":[';
  let separator = '';
  for (const id of ids) {
    const row = transfers.get(id);
    if (row === undefined) return undefined;
    text += separator + row;
    separator = ',';
  }
  return `${text}]}}`;
}

function ownTexts({ headers: { authorization = '' } }: IncomingMessage): Texts {
  const known = textsOf.get(authorization);
  if (known !== undefined) return known;
  const texts = { backfills: new Map<string, string>(), transfers: new Map<string, string>() };
  textsOf.set(authorization, texts);
  return texts;
}

async function readRows(
  request: IncomingMessage,
  id: string | undefined,
  ids: readonly string[],
): Promise<void> {
  const { authorization = '' } = request.headers;
  const caller = { authorization, teamId: '1' };
  const { backfills, transfers } = ownTexts(request);
  if (id !== undefined) backfills.set(id, JSON.stringify(await rest.backfill(caller, id)));
  for (const transferId of ids) {
    const latestBackfill = await rest.latestBackfill(caller, transferId);
    transfers.set(transferId, JSON.stringify({ id: transferId, latestBackfill }));
  }
}
