import { byId, setHidden, setText } from './parts.ts';
import { counted } from './words.ts';

/** What the sandbox answers. */
interface Told {
  readonly trouble: string;
  readonly calls: number;
}

const LOOK_MS = 2_000;
/** Bars of the chart of calls, the newest at its end. */
const BARS = 30;
/** A bar of full height. */
const MANY_CALLS = 12;

/**
 * The choice of a trouble. The sandbox keeps it, so it is the same after a reload, and in each tab: the panel looks again
 * every two seconds, and when its tab comes into view.
 */
export function startTroublePanel(troubleUrl: string): void {
  const panel = byId('trouble');
  const complaint = byId('trouble-complaint');
  const radios = [...panel.querySelectorAll<HTMLInputElement>('input[name="trouble"]')];
  const chart = byId('calls-chart');
  const bars = Array.from({ length: BARS }, () => document.createElement('span'));
  chart.replaceChildren(...bars);
  const arrived: number[] = [];
  let lastCalls: number | undefined;
  /** Choices that are on their way: what was told before them is outdated. */
  let choices = 0;

  function show({ trouble, calls }: Told): void {
    for (const radio of radios) radio.checked = radio.value === trouble;
    setHidden(complaint, true);
    if (lastCalls !== undefined) arrived.push(Math.max(0, calls - lastCalls));
    lastCalls = calls;
    if (arrived.length > BARS) arrived.shift();
    bars.forEach((bar, n) => {
      const number = arrived[n - BARS + arrived.length] ?? 0;
      bar.style.height = `${Math.min(1, number / MANY_CALLS) * 100}%`;
    });
    const lately = arrived.slice(-5).reduce((sum, number) => sum + number, 0);
    setText(byId('calls-arrived'), `${counted(lately, 'call')} in the last 10 s`);
  }

  function complain(): void {
    setText(
      complaint,
      `The sandbox does not answer at ${troubleUrl}. It listens on the machine of the demo alone.`,
    );
    setHidden(complaint, false);
  }

  async function ask(init: RequestInit): Promise<Told> {
    const response = await fetch(troubleUrl, init);
    if (!response.ok) throw new Error(`The sandbox answered ${response.status}.`);
    return (await response.json()) as Told;
  }

  async function look(): Promise<void> {
    const before = choices;
    try {
      const told = await ask({});
      if (choices === before) show(told);
    } catch {
      complain();
    }
  }

  async function choose(trouble: string): Promise<void> {
    choices += 1;
    const mine = choices;
    try {
      const { calls } = await ask({
        method: 'PUT',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ trouble }),
      });
      // The calls belong to the next look, so that each bar stands for the same time.
      lastCalls ??= calls;
    } catch {
      complain();
    }
    if (choices === mine) choices += 1;
  }

  panel.addEventListener('change', ({ target }) => {
    if (target instanceof HTMLInputElement && target.name === 'trouble') void choose(target.value);
  });
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') void look();
  });
  void look();
  setInterval(() => void look(), LOOK_MS);
}
