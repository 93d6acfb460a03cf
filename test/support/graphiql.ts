import type { Page } from 'playwright-core';

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
