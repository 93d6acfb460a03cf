import type { Page } from 'playwright-core';
import { expect } from 'vitest';

/** The text of the editor on view in a part of the page; its lines lie in no order of the document's. */
export function shown(page: Page, part: string): Promise<string> {
  return page.evaluate<string>(`
    [...document.querySelectorAll('${part} .view-line')]
      .filter((line) => line.checkVisibility())
      .map((line) => ({ top: line.getBoundingClientRect().top, text: line.textContent.replaceAll('\\u00a0', ' ') }))
      .sort((a, b) => a.top - b.top)
      .map(({ text }) => text)
      .join('\\n')
  `);
}

/**
 * Runs the operation in view, and returns once its answer begins to be shown. A press goes nowhere while GraphiQL is
 * busy with its tabs or the schema, and after a change of tabs it runs the operation of the tab before ("Cannot infer
 * operation"): so it presses again while nothing has come of it. While an operation runs, the button has another name.
 */
export async function runShown(page: Page): Promise<void> {
  const button = page.getByRole('button', { name: 'Execute query' });
  const before = await shown(page, '.graphiql-response');
  const begun = async (): Promise<boolean> => {
    const answer = await shown(page, '.graphiql-response');
    if (answer !== before && !answer.includes('Cannot infer operation')) return true;
    if (await button.isVisible()) await button.click();
    return false;
  };
  await expect.poll(begun, { timeout: 60_000, interval: 500 }).toBe(true);
}
