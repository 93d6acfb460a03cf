import fc from 'fast-check';
import { expect, it } from 'vitest';
import { SseParser } from './sse-stream.ts';

const STREAM =
  ':\n\nevent: next\ndata: {"data":{"n":1}}\n\n:\n\nevent: next\ndata: {"data":\ndata: {"n":2}}\n\nevent: complete\ndata:\n\n';

it('finds the events of a stream in whatever pieces it arrives', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: STREAM.length })), (cuts) => {
      const parser = new SseParser();
      const edges = [0, ...cuts.sort((a, b) => a - b), STREAM.length];
      const events = edges.flatMap((edge, n) => parser.feed(STREAM.slice(edge, edges[n + 1] ?? edge)));
      expect(events.map((data) => JSON.parse(data) as unknown)).toEqual([
        { data: { n: 1 } },
        { data: { n: 2 } },
      ]);
    }),
  );
});
