/** A Markdown table whose first column is text and all others figures. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const rule = head.map((_, column) => (column === 0 ? '---' : '---:'));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}

export function inSeconds(milliseconds: number | undefined): string {
  if (milliseconds === undefined) return '–';
  const seconds = milliseconds / 1000;
  return `${seconds < 100 ? seconds.toFixed(1) : whole(seconds)} s`;
}
