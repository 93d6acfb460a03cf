import { table, whole } from './format.ts';
import { coefficientOfVariation, median, sum } from './statistics.ts';

/** What was measured of one contestant in one round. */
export interface Sample {
  /** What it did, as the heading over its table says. */
  readonly of: string;
  readonly contestant: string;
  readonly round: number;
  readonly figures: Readonly<Record<string, number>>;
  /** Why there are no figures, or why they do not count. */
  readonly fault?: string;
}

/** A column of a table of contestants. Those with a base are the median of the ratios to it within a round. */
export type Column =
  | { readonly kind: 'median'; readonly figure: string; readonly title: string; readonly show: Show }
  /** With the coefficient of variation. */
  | { readonly kind: 'varying'; readonly figure: string; readonly title: string; readonly show: Show }
  | { readonly kind: 'ratio'; readonly figure: string; readonly title: string; readonly base: string }
  /** Counts over all rounds, in one cell. */
  | { readonly kind: 'sums'; readonly figures: readonly string[]; readonly title: string };

type Show = (value: number) => string;

export function headings(samples: readonly Sample[]): readonly string[] {
  return [...new Set(samples.map(({ of }) => of))];
}

/**
 * For each heading its tables, each with the contestants as rows. What was not measured right is in none of them, but a
 * line below says why.
 */
export function toTables(samples: readonly Sample[], tables: readonly (readonly Column[])[]): string {
  return headings(samples)
    .map((heading) => {
      const own = samples.filter(({ of }) => of === heading);
      return [
        `### ${heading}`,
        ...tables.map((columns) => contestantsTable(own, columns)),
        ...faultLines(own),
      ].join('\n\n');
    })
    .join('\n\n');
}

function contestantsTable(samples: readonly Sample[], columns: readonly Column[]): string {
  const measured = samples.filter(({ fault }) => fault === undefined);
  const contestants = [...new Set(measured.map(({ contestant }) => contestant))];
  const present = columns.filter((column) => {
    if (column.kind === 'ratio' && (!contestants.includes(column.base) || contestants.length === 1))
      return false;
    const needed = column.kind === 'sums' ? column.figures : [column.figure];
    return needed.every((figure) => measured.some(({ figures }) => has(figures, figure)));
  });
  return table(
    ['', ...present.map(({ title }) => title)],
    contestants.map((contestant) => [
      contestant,
      ...present.map((column) => cell(column, contestant, measured)),
    ]),
  );
}

function cell(column: Column, contestant: string, samples: readonly Sample[]): string {
  if (column.kind === 'ratio') {
    const ratio = ratioWithinRounds(samples, column.figure, contestant, column.base);
    return ratio === undefined ? '–' : significant(ratio);
  }
  if (column.kind === 'sums')
    return column.figures.map((figure) => whole(sum(valuesOf(samples, figure, contestant)))).join(', ');
  const values = valuesOf(samples, column.figure, contestant);
  if (values.length === 0) return '–';
  const text = column.show(median(values));
  if (column.kind === 'median') return text;
  const variation = coefficientOfVariation(values);
  return variation === undefined ? text : `${text} ± ${(variation * 100).toFixed(0)} %`;
}

/** A line for each reason, with how often there was it. */
function faultLines(samples: readonly Sample[]): readonly string[] {
  return samples.flatMap(({ contestant, round, fault }) =>
    fault === undefined ? [] : [`- ${contestant}, round ${round}, does not count: ${oneLine(fault)}`],
  );
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, ' ').slice(0, 300);
}

/** All that was measured right, one for each round. */
export function valuesOf(samples: readonly Sample[], figure: string, contestant: string): readonly number[] {
  return samples
    .filter((sample) => sample.contestant === contestant && sample.fault === undefined)
    .map(({ figures }) => figures[figure] ?? NaN)
    .filter((value) => !Number.isNaN(value));
}

/**
 * The speed of a machine changes from one moment to the next, so only what was measured in one round is compared.
 * @returns the median of the ratios; undefined where no round has both
 */
export function ratioWithinRounds(
  samples: readonly Sample[],
  figure: string,
  contestant: string,
  base: string,
): number | undefined {
  const ratios = samples
    .filter((sample) => sample.contestant === contestant && sample.fault === undefined)
    .flatMap(({ round, of, figures }) => {
      const other = samples.find(
        (sample) =>
          sample.contestant === base &&
          sample.round === round &&
          sample.of === of &&
          sample.fault === undefined,
      );
      const ratio = (figures[figure] ?? NaN) / (other?.figures[figure] ?? NaN);
      return Number.isFinite(ratio) ? [ratio] : [];
    });
  return ratios.length === 0 ? undefined : median(ratios);
}

function has(figures: Sample['figures'], figure: string): boolean {
  return !Number.isNaN(figures[figure] ?? NaN);
}

/** Two or three digits that say something, whatever the size. */
export function significant(value: number): string {
  if (value === 0) return '0';
  return value >= 0.001 ? String(Number(value.toPrecision(value < 1 ? 2 : 3))) : value.toExponential(1);
}

/** Milliseconds. */
export function asMs(value: number): string {
  return value < 10 ? value.toFixed(1) : value.toFixed(0);
}
