import { table } from './format.ts';
import { type Column, headings, ratioWithinRounds, type Sample, significant, valuesOf } from './samples.ts';
import { coefficientOfVariation, median } from './statistics.ts';

/** One line for each main figure of each measurement: the gateway on one Node beside the gateway on another. */
export function nodesTable(
  measured: readonly { readonly samples: readonly Sample[]; readonly columns: readonly Column[] }[],
  [one, other]: readonly [string, string],
): string {
  const rows = measured.flatMap(({ samples, columns }) =>
    headings(samples).flatMap((heading) => {
      const own = samples.filter(({ of }) => of === heading);
      return columns.flatMap((column) => {
        if (column.kind !== 'varying' || valuesOf(own, column.figure, one).length === 0) return [];
        const { figure, title, show } = column;
        const cellOf = (contestant: string): string => {
          const values = valuesOf(own, figure, contestant);
          const variation = coefficientOfVariation(values);
          if (values.length === 0) return '–';
          return (
            show(median(values)) + (variation === undefined ? '' : ` ± ${(variation * 100).toFixed(0)} %`)
          );
        };
        const ratio = ratioWithinRounds(own, figure, other, one);
        return [
          [
            `${heading}: ${title}`,
            cellOf(one),
            cellOf(other),
            ratio === undefined ? '–' : significant(ratio),
          ],
        ];
      });
    }),
  );
  return table(['', one, other, 'ratio'], rows);
}
