import type { RowState } from '../client/row-state.ts';

/** A page of rows: transfers of one team. */
export interface Rows {
  readonly teamId: string;
  readonly transferIds: readonly string[];
}

/** What a test gives to the script of a page, in the browser. */
export interface Frontend {
  /** Of the gateway's endpoint, such as `http://127.0.0.1:4000/graphql`. */
  readonly url: string;
  /** The rows to show, each team's by an operation of its own. */
  readonly pages: readonly Rows[];
  /** Milliseconds between two queries of the same rows. */
  readonly pollMs: number;
  /** The token at the moment. */
  token(): Promise<string>;
  /** Shows what there is in a place of the page, such as `7/500` for transfer 500 of team 7. */
  show(place: string, text: string): Promise<void>;
}

/** What users do on the page, by name. Each says in one text what came of it. */
export type Actions = Readonly<Record<string, (...args: readonly string[]) => Promise<string>>>;

/** The default export of `test/client/<name>.page.ts`: a page that runs a recipe. */
export type PageScript = (frontend: Frontend) => Actions;

interface Progress {
  readonly status: string;
  readonly progress: number;
}

/** What users read in a row: `RUNNING 15 %`, `stale: RUNNING 15 %`, `failed: FORBIDDEN`, `never run` or `loading`. */
export function rowText(state: RowState<Progress>): string {
  switch (state.kind) {
    case 'known':
      return progressText(state.row);
    case 'stale':
      return `stale: ${progressText(state.row)}`;
    case 'failed':
      return `failed: ${state.code}`;
    case 'loading':
    case 'never run':
      return state.kind;
  }
}

function progressText({ status, progress }: Progress): string {
  return `${status} ${Math.round(progress * 100)} %`;
}
