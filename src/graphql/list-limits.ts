/** The most items of a list in an argument, by the root field that takes it; {@link MAX_ITEMS} for all others. */
const LIMITS: Readonly<Record<string, number>> = {
  // As many as the body of a request holds, because routers send an entity as often as it is in a list.
  _entities: 5_000,
};

const MAX_ITEMS = 100;

/** The most items that the list argument of a field may hold. The resolver of the field refuses a longer one. */
export function maxItemsOf(fieldName: string): number {
  return LIMITS[fieldName] ?? MAX_ITEMS;
}
