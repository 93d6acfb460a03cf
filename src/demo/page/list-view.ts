import { type Row, type RowAction, RowView } from './row-view.ts';

const MOVE_MS = 280;

/** The rows of a list. One that comes or goes lets the others glide to their places, unless motion is unwanted. */
export class ListView {
  readonly #list: HTMLElement;
  readonly #heading: HTMLElement;
  readonly #action: RowAction;
  readonly #views = new Map<string, RowView>();

  /** @param heading gets the focus of a row that goes */
  constructor(list: HTMLElement, heading: HTMLElement, action: RowAction) {
    this.#list = list;
    this.#heading = heading;
    this.#action = action;
  }

  show(rows: readonly Row[], now: number): void {
    const keys = new Set(rows.map(({ key }) => key));
    const changes = rows.length !== this.#views.size || rows.some(({ key }) => !this.#views.has(key));
    const places = changes ? this.#places() : undefined;
    for (const [key, { element }] of this.#views) {
      if (keys.has(key)) continue;
      if (element.contains(document.activeElement)) this.#heading.focus({ preventScroll: true });
      element.remove();
      this.#views.delete(key);
    }
    let before: Element | null = this.#list.firstElementChild;
    for (const row of rows) {
      const view = this.#views.get(row.key) ?? new RowView(row, this.#action);
      this.#views.set(row.key, view);
      view.show(row, now);
      if (view.element === before) before = before.nextElementSibling;
      else this.#list.insertBefore(view.element, before);
    }
    if (places !== undefined) this.#glideFrom(places);
  }

  #places(): ReadonlyMap<Element, number> {
    const top = this.#list.getBoundingClientRect().top;
    return new Map(
      [...this.#views.values()].map(({ element }) => [element, element.getBoundingClientRect().top - top]),
    );
  }

  #glideFrom(places: ReadonlyMap<Element, number>): void {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    const top = this.#list.getBoundingClientRect().top;
    const timing = { duration: MOVE_MS, easing: 'ease-out' };
    for (const { element } of this.#views.values()) {
      const place = places.get(element);
      if (place === undefined) {
        if (places.size > 0) element.animate([{ opacity: 0 }, { opacity: 1 }], timing);
        continue;
      }
      const moved = place - (element.getBoundingClientRect().top - top);
      if (moved !== 0)
        element.animate([{ transform: `translateY(${moved}px)` }, { transform: 'none' }], timing);
    }
  }
}
