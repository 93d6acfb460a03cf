import { describe, expect, it } from 'vitest';
import { type Dot, drawFrontier } from './frontier-svg.ts';

const DOTS: readonly Dot[] = [
  { series: 'gateway, polled', lifetime: '0.5 s', callsPerHour: 9_359, seconds: 2.2 },
  { series: 'gateway, polled', lifetime: '5 s', callsPerHour: 2_016, seconds: 5.9 },
  { series: 'a <peer> & "more"', lifetime: '1 s', callsPerHour: 2_322_125, seconds: 2.5 },
];
const FRONTIER = { dots: DOTS, title: 'Time', subtitle: 'Down', pollSeconds: 2, quotaPerHour: 5_000 };

describe('the picture of the frontier', () => {
  const svg = drawFrontier(FRONTIER);

  it('has a dot for each contestant at each lifetime, sooner lower down and dearer further right', () => {
    const dots = [
      ...svg.matchAll(/<circle cx="([\d.]+)" cy="([\d.]+)" r="5" style="fill:var\(--c\d\)"><title>/g),
    ].map(([, x, y]) => [Number(x), Number(y)] as const);
    expect(dots).toHaveLength(DOTS.length);
    const [soon, late, peer] = dots;
    expect(soon?.[1]).toBeGreaterThan(late?.[1] ?? NaN);
    expect(peer?.[0]).toBeGreaterThan(soon?.[0] ?? NaN);
    expect(soon?.[0]).toBeGreaterThan(late?.[0] ?? NaN);
  });

  it('has everything inside of it', () => {
    const [, width, height] = /viewBox="0 0 (\d+) (\d+)"/.exec(svg) ?? [];
    for (const [, axis, value] of svg.matchAll(/ (?:c?)([xy])[12]?="([\d.-]+)"/g)) {
      expect(Number(value)).toBeGreaterThanOrEqual(0);
      expect(Number(value)).toBeLessThanOrEqual(Number(axis === 'x' ? width : height));
    }
  });

  it('is well-formed whatever the names', () => {
    expect(svg).toContain('a &lt;peer> &amp; &quot;more&quot;');
    expect(svg).not.toMatch(/<peer>|NaN|undefined/);
    const open = [...svg.matchAll(/<(\w+)\b[^>]*?(?<!\/)>/g)].length;
    expect([...svg.matchAll(/<\/\w+>/g)]).toHaveLength(open);
  });

  it('has colours for a light page and for a dark one, on a ground of its own', () => {
    const named = new Set([...svg.matchAll(/var\((--\w+)\)/g)].map(([, name]) => name));
    const [light = '', dark = ''] = svg.split('@media (prefers-color-scheme: dark)');
    for (const name of named) {
      expect(light).toMatch(new RegExp(`${name ?? ''}: #`));
      expect(dark).toMatch(new RegExp(`${name ?? ''}: #`));
    }
    expect(svg).toMatch(/<rect class="ground" width="\d+" height="\d+"\/>/);
  });
});
