import { readFileSync } from 'node:fs';

/** The text of a file for operators. */
export function recipe(name: string): string {
  return readFileSync(new URL(`../../src/operations/recipes/${name}`, import.meta.url), 'utf8');
}

/**
 * A recipe with values of its user, and otherwise as it is.
 * @param values by the texts in whose place they stand, each of which is in the recipe
 */
export function fill(text: string, values: Readonly<Record<string, string>>): string {
  return Object.entries(values).reduce((filled, [old, value]) => {
    if (!filled.includes(old)) throw new Error(`the recipe has no ${JSON.stringify(old)}`);
    return filled.replaceAll(old, value);
  }, text);
}

/** The directives of a unit of systemd, oldest first, as `[name, value]`. */
export function directivesOf(unit: string): readonly (readonly [name: string, value: string])[] {
  return [...unit.matchAll(/^(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]);
}

/** The environment that the unit gives to the gateway at this port. */
export function unitEnvironment(port: number): Readonly<Record<string, string>> {
  const unit = fill(recipe('backfill-gateway@.service'), { '%i': String(port) });
  const settings = directivesOf(unit).flatMap(([name, value]) =>
    name === 'Environment' ? value.split(' ') : [],
  );
  return Object.fromEntries(
    settings.map((setting) => [setting.replace(/=.*/, ''), setting.replace(/^\w+=/, '')]),
  );
}
