/**
 * The candidate that the text becomes with the fewest edits of one character; the first of several.
 * @param candidates at least one
 */
export function nearest(text: string, candidates: readonly string[]): string {
  return candidates.reduce((best, candidate) =>
    editsBetween(text, candidate) < editsBetween(text, best) ? candidate : best,
  );
}

/** Levenshtein's distance, kept for one row of his table at a time. */
function editsBetween(from: string, to: string): number {
  let above = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (const [index, letter] of Array.from(from).entries()) {
    const row = [index + 1];
    for (const [column, other] of Array.from(to).entries()) {
      const replaced = (above[column] ?? 0) + (letter === other ? 0 : 1);
      row.push(Math.min(replaced, (above[column + 1] ?? 0) + 1, (row[column] ?? 0) + 1));
    }
    above = row;
  }
  return above.at(-1) ?? 0;
}
