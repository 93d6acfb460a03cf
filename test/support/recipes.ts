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
  const missing = Object.keys(values).find((old) => !text.includes(old));
  if (missing !== undefined) throw new Error(`the recipe has no ${JSON.stringify(missing)}`);
  // All at once: a value may hold what stands for another, as the port 40007 holds the port 4000.
  const olds = Object.keys(values).map((old) => old.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
  return text.replace(new RegExp(olds.join('|'), 'g'), (old) => values[old] ?? old);
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
