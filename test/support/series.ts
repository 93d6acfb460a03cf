const PREFIX = 'backfill_gateway_';
const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"/g;

/** The metrics of a gateway at a moment. */
export interface Scraped {
  /** As it came. */
  readonly text: string;
  /** Each series as it is written: its name and labels. */
  readonly series: readonly string[];
  /** The value of a metric without labels, by its name without the gateway's prefix; NaN where it is not there. */
  value(metric: string): number;
  /** The values of a metric by those of its labels, joined by spaces. */
  by(metric: string): Readonly<Record<string, number>>;
  /** The same without the zeros. */
  counted(metric: string): Readonly<Record<string, number>>;
  sum(metric: string): number;
}

/** There is one exposition a second, so whoever asks twice moves the clock between. */
export async function scrape(origin: string): Promise<Scraped> {
  const response = await fetch(`${origin}/metrics`);
  return read(await response.text());
}

function read(text: string): Scraped {
  const samples = text.split('\n').flatMap((line) => {
    const [, name, labels = '', value] = SAMPLE.exec(line) ?? [];
    if (name === undefined) return [];
    const values = [...labels.matchAll(LABEL)].map(([, , label]) => label);
    return [
      { name, series: line.slice(0, line.lastIndexOf(' ')), labels: values.join(' '), value: Number(value) },
    ];
  });
  const of = (metric: string): readonly (readonly [string, number])[] =>
    samples.flatMap(({ name, labels, value }) =>
      name === PREFIX + metric ? [[labels, value] as const] : [],
    );
  const by: Scraped['by'] = (metric) => Object.fromEntries(of(metric));
  return {
    text,
    series: samples.map(({ series }) => series),
    by,
    value: (metric) => by(metric)[''] ?? NaN,
    counted: (metric) => Object.fromEntries(of(metric).filter(([, value]) => value !== 0)),
    sum: (metric) => of(metric).reduce((sum, [, value]) => sum + value, 0),
  };
}
