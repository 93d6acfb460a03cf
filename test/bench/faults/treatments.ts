/**
 * Whom the REST API treats badly while it is healthy for everybody else: callers by the first word of their token, and
 * one team.
 */
export type Refusal = readonly [status: number, code: string];

const FAILURE: Refusal = [500, 'INTERNAL_SERVER_ERROR'];

/** Calls of this word never get an answer. */
export const HANGS = 'hangs';
/** Calls of this word get their answer after {@link SLOW_MS}. */
export const SLOW = 'slow';
export const SLOW_MS = 2_000;
export const FAILING_TEAM = '500';

const BY_WORD: Readonly<Record<string, Refusal>> = {
  invented: [401, 'API_KEY_INVALID'],
  revoked: [401, 'API_KEY_INVALID'],
  refused: [403, 'ACCESS_DENIED'],
  failing: FAILURE,
};

export function refusalOf(word: string, teamId: string | undefined): Refusal | undefined {
  return teamId === FAILING_TEAM ? FAILURE : BY_WORD[word];
}

/** What calls are counted by. */
export function nameOfCaller(word: string, teamId: string | undefined): string {
  return teamId === FAILING_TEAM ? `${word}, failing team` : word;
}

/** The first word of a token. */
export function wordOf(token: string): string {
  return /^[a-z]*/.exec(token)?.[0] ?? '';
}
