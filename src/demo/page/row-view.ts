import type { Backfill, Failure } from './answers.ts';
import { cloneOf, element, part, setAttribute, setHidden, setText } from './parts.ts';
import type { RowState } from './row-state.ts';
import { endWords, failedWords, statusWord, without } from './row-words.ts';
import { count, counted, duration, exactMoment, percent } from './words.ts';

/** One row of a list, as it is to be shown. */
export interface Row {
  /** Names it in its list. */
  readonly key: string;
  readonly transferId: string;
  readonly state: RowState;
  /** A row of the live list is up to date while the stream is; one of a query is as old as its value. */
  readonly freshness: { readonly kind: 'live' } | { readonly kind: 'lost' } | { readonly kind: 'read' };
  readonly hasLeft: boolean;
}

/** What the button of a row does. */
export interface RowAction {
  readonly label: string;
  /** The label for screen readers, where every row has such a button. */
  nameOf(row: Row): string;
  /** Undefined asks for no confirmation. */
  readonly confirm?: string;
  isPossible(row: Row): boolean;
  /** @returns what to say when it failed */
  run(row: Row): Promise<Failure | undefined>;
}

const OVER: ReadonlySet<string> = new Set(['COMPLETED', 'CANCELLED']);

let numberOfRows = 0;

/** The elements of one row. It changes in place, and no change moves another row. */
export class RowView {
  readonly element = cloneOf('row');
  readonly #parts = {
    status: part(this.element, 'status'),
    title: part(this.element, 'title'),
    code: part(this.element, 'code'),
    subtitle: part(this.element, 'subtitle'),
    range: part(this.element, 'range'),
    progress: part(this.element, 'progress'),
    bar: part(this.element, 'bar'),
    done: part(this.element, 'done'),
    failed: part(this.element, 'failed'),
    runs: part(this.element, 'runs'),
    why: part(this.element, 'why'),
    end: part(this.element, 'end'),
    fresh: part(this.element, 'fresh'),
    act: part(this.element, 'act', HTMLButtonElement),
    confirm: part(this.element, 'confirm', HTMLButtonElement),
    keep: part(this.element, 'keep', HTMLButtonElement),
    reasons: part(this.element, 'reasons'),
    said: part(this.element, 'said'),
  };
  readonly #action: RowAction;
  #row: Row;
  #phase: 'idle' | 'asking' | 'sending' = 'idle';
  #reasonsShown = '';

  constructor(row: Row, action: RowAction) {
    this.#row = row;
    this.#action = action;
    const { title, bar, why, reasons, act, confirm, keep } = this.#parts;
    const id = `row-${(numberOfRows += 1)}`;
    title.id = `${id}-title`;
    reasons.id = `${id}-reasons`;
    setAttribute(this.element, 'aria-labelledby', title.id);
    setAttribute(bar, 'aria-labelledby', title.id);
    setAttribute(why, 'aria-controls', reasons.id);
    why.addEventListener('click', () => {
      const isOpen = why.getAttribute('aria-expanded') === 'true';
      setAttribute(why, 'aria-expanded', String(!isOpen));
      setHidden(reasons, isOpen);
    });
    act.addEventListener('click', () => {
      if (this.#action.confirm === undefined) void this.#run();
      else this.#enter('asking', confirm);
    });
    confirm.addEventListener('click', () => void this.#run());
    keep.addEventListener('click', () => this.#enter('idle', act));
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape' && this.#phase === 'asking') this.#enter('idle', act);
    });
  }

  show(row: Row, now: number): void {
    this.#row = row;
    const { state, transferId, hasLeft } = row;
    const { status, title, said } = this.#parts;
    const backfill = 'backfill' in state ? state.backfill : undefined;
    setAttribute(this.element, 'data-kind', state.kind);
    setAttribute(this.element, 'data-status', backfill?.status);
    setAttribute(this.element, 'data-left', hasLeft ? 'true' : undefined);
    setText(title, `Transfer ${transferId}`);
    setText(status, statusWord(state));
    if (backfill === undefined) this.#showWithout(state);
    else this.#showBackfill(backfill, now);
    this.#showFreshness(now);
    this.#showAction();
    if (hasLeft) setHidden(said, true);
  }

  #showWithout(state: RowState): void {
    const { code, subtitle, range, progress, runs, end, why, reasons } = this.#parts;
    setHidden(code, state.kind !== 'failed');
    setText(code, state.kind === 'failed' ? state.failure.code : '');
    setText(subtitle, state.kind === 'failed' ? state.failure.message : without(state));
    setText(range, '');
    setAttribute(progress, 'data-empty', 'true');
    setText(runs, '');
    setText(end, '');
    setHidden(why, true);
    setHidden(reasons, true);
  }

  #showBackfill(backfill: Backfill, now: number): void {
    const { code, subtitle, range, progress, bar, done, failed, runs, end } = this.#parts;
    const { transferRunsTotal: total, transferRunsCompleted, transferRunsFailed } = backfill;
    const share = percent(backfill.progress);
    setHidden(code, true);
    setText(subtitle, backfill.id);
    setText(range, `${backfill.rangeStartDate} – ${backfill.rangeEndDate}`);
    setAttribute(progress, 'data-empty', undefined);
    const words =
      total === 0 ? 'no runs yet' : `${count(transferRunsCompleted)} of ${counted(total, 'run')}, ${share} %`;
    setText(runs, words);
    setAttribute(bar, 'aria-valuenow', String(share));
    setAttribute(bar, 'aria-valuetext', `${words}${failedWords(transferRunsFailed)}`);
    done.style.width = `${backfill.progress * 100}%`;
    failed.style.width = `${total === 0 ? 0 : (transferRunsFailed / total) * 100}%`;
    setText(end, endWords(backfill, now));
    setAttribute(
      end,
      'title',
      backfill.estimatedEndTime === null ? undefined : exactMoment(backfill.estimatedEndTime),
    );
    this.#showReasons(backfill);
  }

  #showReasons({ errorReport, transferRunsFailed }: Backfill): void {
    const { why, reasons } = this.#parts;
    setHidden(why, transferRunsFailed === 0);
    setText(why, `${count(transferRunsFailed)} failed`);
    setAttribute(why, 'aria-label', `${count(transferRunsFailed)} failed: why`);
    if (transferRunsFailed === 0) setHidden(reasons, true);
    const text = errorReport.map(({ transferRunDate, error }) => `${transferRunDate} ${error}`).join('\n');
    if (text === this.#reasonsShown) return;
    this.#reasonsShown = text;
    reasons.replaceChildren(
      ...errorReport.map(({ transferRunDate, error }) => {
        const item = element('li', '');
        item.append(element('span', transferRunDate, 'date'), ` ${error}`);
        return item;
      }),
    );
  }

  #showFreshness(now: number): void {
    const { fresh } = this.#parts;
    const { state, freshness, hasLeft } = this.#row;
    const backfill = 'backfill' in state ? state.backfill : undefined;
    setAttribute(
      fresh,
      'title',
      backfill === undefined ? undefined : `as of ${exactMoment(backfill.fetchedAt)}`,
    );
    setText(
      fresh,
      backfill === undefined ? '' : this.#freshnessWords(backfill, freshness.kind, hasLeft, now),
    );
  }

  #freshnessWords(backfill: Backfill, kind: Row['freshness']['kind'], hasLeft: boolean, now: number): string {
    if (hasLeft) return OVER.has(backfill.status) ? 'left the list' : 'not listed any more';
    const age = duration(now - Date.parse(backfill.fetchedAt));
    if (backfill.isStale) return `stale, ${age} old`;
    if (kind === 'live') return 'live';
    return kind === 'lost' ? 'not live' : `read ${age} ago`;
  }

  #showAction(): void {
    const { act, confirm, keep } = this.#parts;
    const isPossible = this.#action.isPossible(this.#row);
    if (!isPossible && this.#phase === 'asking') this.#phase = 'idle';
    const { nameOf, label, confirm: confirmation } = this.#action;
    const name = nameOf(this.#row);
    setText(act, this.#phase === 'sending' ? 'Sending…' : label);
    setAttribute(act, 'aria-label', this.#phase === 'sending' ? `Sending… ${name}` : name);
    setAttribute(act, 'aria-disabled', this.#phase === 'sending' ? 'true' : undefined);
    setText(confirm, confirmation ?? '');
    setAttribute(confirm, 'aria-label', `${confirmation ?? ''}: ${name}`);
    this.#hide(act, this.#phase === 'asking' || (!isPossible && this.#phase !== 'sending'));
    this.#hide(confirm, this.#phase !== 'asking');
    this.#hide(keep, this.#phase !== 'asking');
  }

  /** A button that goes leaves the focus with its row, and not with the top of the page. */
  #hide(button: HTMLElement, hidden: boolean): void {
    const hadFocus = hidden && !button.hidden && document.activeElement === button;
    setHidden(button, hidden);
    if (hadFocus) this.element.focus({ preventScroll: true });
  }

  #enter(phase: 'idle' | 'asking', focused: HTMLElement): void {
    this.#phase = phase;
    this.#showAction();
    focused.focus();
  }

  async #run(): Promise<void> {
    if (this.#phase === 'sending') return;
    const { said } = this.#parts;
    this.#phase = 'sending';
    setHidden(said, true);
    this.#showAction();
    const failure = await this.#action.run(this.#row);
    this.#phase = 'idle';
    this.#showAction();
    if (failure === undefined) return;
    said.replaceChildren(element('code', failure.code), ` ${failure.message}`);
    setHidden(said, false);
  }
}
