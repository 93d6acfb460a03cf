import { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { createDepartures } from '../../src/server/departures.ts';

it('ends the streams of clients that leave together a few in each turn of the event loop', async () => {
  const departs = createDepartures();
  let ended = 0;
  const responses = Array.from({ length: 35 }, () => {
    const response = new ServerResponse(new IncomingMessage(new Socket()));
    departs(response);
    response.once('close', () => ended++);
    return response;
  });
  for (const response of responses) response.emit('close');
  const each = [ended];
  while (ended < responses.length) {
    const before = ended;
    await turn();
    each.push(ended - before);
  }
  expect(each.filter((count) => count > 0)).toEqual([10, 10, 10, 5]);
});
