import type { Answer } from './answers.ts';
import { isTroubleName, type Trouble, TROUBLES } from './trouble.ts';

/** Where people and pages make trouble. It is no path of the API, so it is neither counted nor in the log of calls. */
export const CONTROL_PATH = '/trouble';

export interface ControlRequest {
  readonly method: string;
  readonly origin: string | undefined;
  readonly body: string;
}

/** Pages on this machine. Any other page could fail the demo behind its user's back. */
const LOCAL_ORIGIN = /^https?:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?$/;

/**
 * Tells the standing trouble, and sets it at PUT.
 * @param calls number of calls of the API so far
 */
export function answerControl(
  { method, origin, body }: ControlRequest,
  trouble: Trouble,
  calls: () => number,
): Answer {
  const cors = corsHeaders(origin);
  switch (method) {
    case 'OPTIONS':
      return { status: 204, headers: cors, body: '' };
    case 'PUT': {
      const name = troubleIn(body);
      if (!isTroubleName(name)) {
        const error = `The body must be {"trouble": "<name>"} with one of ${TROUBLES.join(', ')}.`;
        return json(400, { error }, cors);
      }
      trouble.name = name;
      return json(200, { trouble: trouble.name, calls: calls() }, cors);
    }
    case 'GET':
      return json(200, { trouble: trouble.name, calls: calls() }, cors);
    default:
      return json(405, { error: 'Ask with GET, set with PUT.' }, { ...cors, allow: 'GET, PUT, OPTIONS' });
  }
}

function corsHeaders(origin: string | undefined): Readonly<Record<string, string>> {
  const vary = { vary: 'Origin' };
  if (origin === undefined || !LOCAL_ORIGIN.test(origin)) return vary;
  return {
    ...vary,
    'access-control-allow-origin': origin,
    'access-control-allow-methods': 'GET, PUT',
    'access-control-allow-headers': 'content-type',
    'access-control-max-age': '600',
  };
}

function troubleIn(body: string): unknown {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && 'trouble' in value ? value.trouble : undefined;
  } catch {
    return undefined;
  }
}

function json(status: number, body: object, headers: Readonly<Record<string, string>>): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json', 'cache-control': 'no-store', ...headers },
    body: `${JSON.stringify(body)}\n`,
  };
}
