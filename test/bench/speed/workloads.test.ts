import { expect, it } from 'vitest';
import { bodyFor, expectedText, isRight, nextIds, WORKLOADS } from './workloads.ts';

it.each(WORKLOADS.map((workload) => [workload.name, workload] as const))(
  '%s asks for the same ids again only where it is hot',
  (_name, workload) => {
    const [one, two] = [nextIds(workload), nextIds(workload)];
    expect(new Set(one).size).toBe(workload.idsPerRequest);
    if (workload.cold) expect(two.filter((id) => one.includes(id))).toEqual([]);
    else expect(two).toEqual(one);
    // Answers of one workload are of one size.
    expect(bodyFor(workload, two)).toHaveLength(bodyFor(workload, one).length);
  },
);

it.each(WORKLOADS.map((workload) => [workload.name, workload] as const))(
  'an answer to %s is right only with every value, in whatever order of fields',
  (_name, workload) => {
    const text = expectedText(workload, nextIds(workload));
    const expected = Buffer.from(text);
    const right = (answer: string): boolean => isRight(Buffer.from(answer), expected);
    expect(right(text)).toBe(true);
    expect(
      right(text.replace(/"status":"RUNNING",(.*?)"endTime":null/, '$1"endTime":null,"status":"RUNNING"')),
    ).toBe(true);
    expect(right(text.replace('"transferRunsFailed":0', '"transferRunsFailed":1'))).toBe(false);
    expect(right(text.replace('"endTime":null,', ''))).toBe(false);
    expect(right(text.replace(/}$/, ',"errors":[]}'))).toBe(false);
    expect(right(text.slice(1))).toBe(false);
  },
);
