/** One contestant at one lifetime. */
export interface Dot {
  /** Dots of one series are joined, in their order. */
  readonly series: string;
  readonly lifetime: string;
  readonly callsPerHour: number;
  /** 95th percentile of the time to truth. */
  readonly seconds: number;
}

export interface Frontier {
  readonly dots: readonly Dot[];
  readonly title: string;
  readonly subtitle: string;
  /** The floor of polling: who asks so often and is always told the truth waits 95 % of it at the 95th percentile. */
  readonly pollSeconds: number;
  readonly quotaPerHour: number;
}

const WIDTH = 820;
const HEIGHT = 480;
const LEFT = 64;
const RIGHT = 48;
const TOP = 92;
const BOTTOM = 60;
/** Enough for the contestants of the bench; more begin again with the first. */
const COLOURS = 6;

/** The picture brings its own ground, and so can be read on a light page and on a dark one. */
const STYLE = `
  text { font: 13px system-ui, sans-serif; fill: var(--ink) }
  .title { font-size: 16px; font-weight: 600 }
  .faint { fill: var(--faint) }
  .ground { fill: var(--ground) }
  .grid { stroke: var(--grid) }
  .quota { stroke: var(--faint); stroke-dasharray: 5 4 }
  .floor { stroke: var(--faint); stroke-dasharray: 2 4 }
  polyline { fill: none; stroke-width: 2 }
  circle { stroke: var(--ground); stroke-width: 1.5 }
  svg { --ground: #fff; --ink: #1c2128; --faint: #59636e; --grid: #e3e7eb;
    --c0: #0a6640; --c1: #b3261e; --c2: #1f5fb0; --c3: #7a3e9d; --c4: #8a5a00; --c5: #006a75 }
  @media (prefers-color-scheme: dark) {
    svg { --ground: #161b22; --ink: #e6edf3; --faint: #9aa4af; --grid: #2f363e;
      --c0: #4ac78b; --c1: #ff8a80; --c2: #79b4ff; --c3: #cf9bf0; --c4: #e0b04c; --c5: #4fc3d0 }
  }
`;

/** @returns an SVG document. The calls are on a logarithmic scale. */
export function drawFrontier({ dots, title, subtitle, pollSeconds, quotaPerHour }: Frontier): string {
  const calls = [...dots.map(({ callsPerHour }) => callsPerHour), quotaPerHour].filter((value) => value > 0);
  const lowest = Math.floor(Math.log10(Math.min(...calls)));
  const highest = Math.max(lowest + 1, Math.ceil(Math.log10(Math.max(...calls))));
  const most = Math.ceil(Math.max(...dots.map(({ seconds }) => seconds), pollSeconds) + 0.5);
  const x = (perHour: number): number =>
    LEFT +
    ((Math.log10(Math.max(perHour, 10 ** lowest)) - lowest) / (highest - lowest)) * (WIDTH - LEFT - RIGHT);
  const y = (seconds: number): number => HEIGHT - BOTTOM - (seconds / most) * (HEIGHT - TOP - BOTTOM);
  const floor = 0.95 * pollSeconds;

  const decades = Array.from({ length: highest - lowest + 1 }, (_, n) => 10 ** (lowest + n));
  const steps = Array.from({ length: most + 1 }, (_, n) => n).filter((n) => most <= 12 || n % 2 === 0);
  const series = [...new Set(dots.map((dot) => dot.series))];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">`,
    `<style>${STYLE}</style>`,
    `<rect class="ground" width="${WIDTH}" height="${HEIGHT}"/>`,
    text(LEFT, 26, title, 'class="title"'),
    text(LEFT, 46, subtitle, 'class="faint"'),
    ...series.map((name, n) => legend(name, n, series)),
    ...decades.map(
      (value) =>
        line(x(value), TOP, x(value), HEIGHT - BOTTOM, 'grid') +
        text(x(value), HEIGHT - BOTTOM + 18, value.toLocaleString('en-US'), 'text-anchor="middle"'),
    ),
    ...steps.map(
      (value) =>
        line(LEFT, y(value), WIDTH - RIGHT, y(value), 'grid') +
        text(LEFT - 8, y(value) + 4, `${value} s`, 'text-anchor="end"'),
    ),
    text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, 'upstream calls an hour', 'text-anchor="middle"'),
    line(x(quotaPerHour), TOP, x(quotaPerHour), HEIGHT - BOTTOM, 'quota'),
    text(x(quotaPerHour) + 6, TOP + 16, `quota: ${quotaPerHour.toLocaleString('en-US')}`, 'class="faint"'),
    line(LEFT, y(floor), WIDTH - RIGHT, y(floor), 'floor'),
    text(
      WIDTH - RIGHT,
      y(floor) + 16,
      `polled every ${pollSeconds} s and always told the truth`,
      'class="faint" text-anchor="end"',
    ),
    ...series.map((name, n) => {
      const own = dots.filter((dot) => dot.series === name);
      const colour = `var(--c${n % COLOURS})`;
      const points = own.map((dot) => `${fixed(x(dot.callsPerHour))},${fixed(y(dot.seconds))}`).join(' ');
      return [
        `<polyline points="${points}" style="stroke:${colour}"/>`,
        ...own.map((dot) => mark(x(dot.callsPerHour), y(dot.seconds), dot, n)),
      ].join('\n');
    }),
    '</svg>',
    '',
  ].join('\n');
}

/** A dot with its lifetime; those of every other series have it below, as series come close to each other. */
function mark(x: number, y: number, { lifetime, series }: Dot, n: number): string {
  const colour = `var(--c${n % COLOURS})`;
  const [atX, atY, anchor] = n % 2 === 0 ? [x + 8, y - 7, 'start'] : [x - 8, y + 16, 'end'];
  return (
    `<circle cx="${fixed(x)}" cy="${fixed(y)}" r="5" style="fill:${colour}"><title>${escaped(`${series}, ${lifetime}`)}</title></circle>` +
    text(atX, atY, lifetime, `style="fill:${colour}" text-anchor="${anchor}"`)
  );
}

function legend(name: string, n: number, series: readonly string[]): string {
  const width = (WIDTH - LEFT - RIGHT) / Math.max(4, series.length);
  const x = LEFT + n * width;
  const colour = `var(--c${n % COLOURS})`;
  return (
    `<circle cx="${fixed(x + 5)}" cy="68" r="5" style="fill:${colour}"/>` +
    text(x + 16, 72, name, `style="fill:${colour}"`)
  );
}

function line(x1: number, y1: number, x2: number, y2: number, className: string): string {
  return `<line class="${className}" x1="${fixed(x1)}" y1="${fixed(y1)}" x2="${fixed(x2)}" y2="${fixed(y2)}"/>`;
}

function text(x: number, y: number, content: string, attributes: string): string {
  return `<text x="${fixed(x)}" y="${fixed(y)}" ${attributes}>${escaped(content)}</text>`;
}

function fixed(value: number): string {
  return value.toFixed(1);
}

function escaped(content: string): string {
  return content.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/"/g, '&quot;');
}
