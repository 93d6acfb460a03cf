/** Finds the parts of the page that its HTML names, and changes only what differs. */

/** @throws {Error} where the HTML has no such element */
export function byId<Kind extends HTMLElement = HTMLElement>(
  id: string,
  kind: abstract new (...args: never[]) => Kind = HTMLElement as never,
): Kind {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`The page has no ${kind.name} with the id ${id}.`);
  return found;
}

/** @throws {Error} where the element has no such part */
export function part<Kind extends HTMLElement = HTMLElement>(
  within: ParentNode,
  name: string,
  kind: abstract new (...args: never[]) => Kind = HTMLElement as never,
): Kind {
  const found = within.querySelector(`[data-part="${name}"]`);
  if (!(found instanceof kind)) throw new Error(`There is no ${kind.name} for the part ${name}.`);
  return found;
}

export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

/** @param value undefined removes the attribute */
export function setAttribute(element: Element, name: string, value: string | undefined): void {
  if (value === undefined) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export function setHidden(element: HTMLElement, hidden: boolean): void {
  if (element.hidden !== hidden) element.hidden = hidden;
}

/** @returns a copy of the only element of a template */
export function cloneOf(templateId: string): HTMLElement {
  const { content } = byId(templateId, HTMLTemplateElement);
  const [first] = document.importNode(content, true).children;
  if (!(first instanceof HTMLElement)) throw new Error(`The template ${templateId} is empty.`);
  return first;
}

export function element(tag: string, text: string, className = ''): HTMLElement {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}
