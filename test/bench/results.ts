import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';

const FOLDER = new URL('results/', import.meta.url);
const README = new URL('README.md', import.meta.url);
/** What the README shows of a part that has not been recorded. */
const NONE = 'Not recorded yet.';

/** Writes a file of results, and what the README quotes of them. */
export function record(name: string, content: string): void {
  mkdirSync(FOLDER, { recursive: true });
  writeFileSync(new URL(name, FOLDER), content);
  writeFileSync(README, quoteResults(readFileSync(README, 'utf8'), readResult));
}

/** @returns undefined where nothing was recorded under this name */
export function readResult(name: string): string | undefined {
  const file = new URL(name, FOLDER);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
}

/**
 * A README quotes a file between `<!-- results/NAME -->` and `<!-- end of results/NAME -->`.
 * @returns the README with each quotation as the file has it now
 */
export function quoteResults(readme: string, read: (name: string) => string | undefined): string {
  return readme.replace(
    /(<!-- results\/(\S+) -->\n)[\s\S]*?(<!-- end of results\/\2 -->)/g,
    (_all, begin: string, name: string, end: string) =>
      `${begin}\n${fromReadme((read(name) ?? NONE).trim())}\n\n${end}`,
  );
}

/** Links between results are relative to their folder. */
function fromReadme(text: string): string {
  return text.replace(/\]\((?=[\w-]+\.\w+\))/g, '](results/');
}
