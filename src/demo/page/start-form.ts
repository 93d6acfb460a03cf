import type { Backfill, Failure } from './answers.ts';
import { byId, element, setHidden, setText } from './parts.ts';

export interface StartInput {
  readonly transferId: string;
  readonly rangeStartDate: string;
  readonly rangeEndDate: string;
}

export type Started = { readonly backfill: Backfill } | { readonly failure: Failure };

export interface StartForm {
  /** Chooses the transfer and puts the focus on the form. */
  choose(transferId: string): void;
}

/** What to do about a mutation that failed, where its code alone says so. */
const ADVICE: Readonly<Record<string, string>> = {
  OUTCOME_UNKNOWN: 'Look at the latest backfill of the transfer before you send it again.',
  CONFLICT: 'Its state has changed meanwhile: look at the row.',
  RATE_LIMITED: 'Nothing was sent. Try again when the gate opens.',
  UPSTREAM_UNAVAILABLE: 'Nothing was sent. Try again later.',
  FORBIDDEN: 'The token may not edit transfers.',
};

export function adviceFor({ code }: Failure): string {
  return ADVICE[code] ?? '';
}

export function createStartForm(
  transferIds: readonly string[],
  firstChoice: string,
  start: (input: StartInput) => Promise<Started>,
): StartForm {
  const form = byId('start', HTMLFormElement);
  const transfer = byId('start-transfer', HTMLSelectElement);
  const from = byId('start-from', HTMLInputElement);
  const to = byId('start-to', HTMLInputElement);
  const button = byId('start-button', HTMLButtonElement);
  const said = byId('start-said');
  let isSending = false;
  transfer.replaceChildren(...transferIds.map((id) => new Option(id, id)));
  transfer.value = firstChoice;

  async function submit(): Promise<void> {
    if (isSending) return;
    isSending = true;
    button.setAttribute('aria-disabled', 'true');
    setText(button, 'Starting…');
    const started = await start({
      transferId: transfer.value,
      rangeStartDate: from.value,
      rangeEndDate: to.value,
    });
    isSending = false;
    button.removeAttribute('aria-disabled');
    setText(button, 'Start the backfill');
    said.dataset['kind'] = 'failure' in started ? 'failure' : 'success';
    if ('failure' in started) {
      const { failure } = started;
      said.replaceChildren(element('code', failure.code), ` ${failure.message} ${adviceFor(failure)}`);
    } else {
      const { id, transfer: of } = started.backfill;
      setText(said, `Backfill ${id} of transfer ${of.id} has begun: it is the newest row of the live list.`);
    }
    setHidden(said, false);
  }

  form.addEventListener('submit', (event) => {
    event.preventDefault();
    void submit();
  });

  return {
    choose(transferId) {
      transfer.value = transferId;
      form.scrollIntoView({ block: 'nearest' });
      from.focus();
    },
  };
}
