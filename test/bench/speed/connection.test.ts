import { describe, expect, it, onTestFinished } from 'vitest';
import { serve } from '../../support/serve.ts';
import { type Answer, Connection, parseAnswer, requestBytes } from './connection.ts';

const HEADERS = { 'content-type': 'application/json' };

/** Asks each in turn on one connection. */
async function askInTurn(origin: string, bodies: readonly string[]): Promise<readonly [number, string][]> {
  const url = new URL('/graphql', origin);
  const answers: [number, string][] = [];
  const waiting: ((answer: Answer | Error) => void)[] = [];
  const connection = new Connection(
    url,
    (answer) => waiting.shift()?.(answer),
    (error) => waiting.shift()?.(error),
  );
  onTestFinished(() => connection.close());
  for (const body of bodies) {
    const answer = await new Promise<Answer>((resolve, reject) => {
      waiting.push((given) => (given instanceof Error ? reject(given) : resolve(given)));
      connection.send(requestBytes(url, HEADERS, body));
    });
    answers.push([answer.status, answer.body.toString()]);
  }
  return answers;
}

describe('a connection of the load generator', () => {
  it('asks once after the other and gives back each answer whole, with its length and in chunks', async () => {
    const origin = await serve((request, response) => {
      void (async () => {
        let body = '';
        for await (const chunk of request.setEncoding('utf8') as AsyncIterable<string>) body += chunk;
        const text = `${request.method ?? ''} ${request.url ?? ''} ${body}`;
        response.statusCode = body.startsWith('bad') ? 400 : 200;
        if (body.includes('chunked')) {
          response.write(text.slice(0, 7));
          response.write(text.slice(7));
          response.end();
        } else {
          response.setHeader('content-length', Buffer.byteLength(text));
          response.end(text);
        }
      })();
    });
    const large = 'ä'.repeat(200_000);
    expect(await askInTurn(origin, ['one', 'bad', 'chunked', large, `chunked ${large}`, 'last'])).toEqual([
      [200, 'POST /graphql one'],
      [400, 'POST /graphql bad'],
      [200, 'POST /graphql chunked'],
      [200, `POST /graphql ${large}`],
      [200, `POST /graphql chunked ${large}`],
      [200, 'POST /graphql last'],
    ]);
  });

  it('tells that the server closed it', async () => {
    const origin = await serve((request) => request.socket.destroy());
    await expect(askInTurn(origin, ['one'])).rejects.toThrow(/closed|reset|hang up/i);
  });

  it('tells that there is no server', async () => {
    const url = new URL('http://127.0.0.1:1/graphql');
    const errors: Error[] = [];
    const failed = new Promise<void>((resolve) => {
      new Connection(
        url,
        () => undefined,
        (error) => {
          errors.push(error);
          resolve();
        },
      );
    });
    await failed;
    expect(errors[0]?.message).toMatch(/ECONNREFUSED/);
  });
});

describe('an answer', () => {
  const whole = Buffer.from('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello');
  const chunked = Buffer.from(
    'HTTP/1.1 503 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\n\r\n',
  );

  it.each([
    ['with a length', whole, 200],
    ['in chunks', chunked, 503],
  ])('%s is not there before its last byte', (_how, bytes, status) => {
    for (let length = 0; length < bytes.length; length++)
      expect(parseAnswer(bytes.subarray(0, length))).toBeUndefined();
    expect(parseAnswer(bytes)).toEqual({ status, body: Buffer.from('hello') });
  });

  it('is refused where more comes than it has, or nobody can tell where it ends', () => {
    expect(() => parseAnswer(Buffer.concat([whole, Buffer.from('!')]))).toThrow('more came');
    expect(() => parseAnswer(Buffer.from('HTTP/1.1 200 OK\r\n\r\nhello'))).toThrow('without a length');
  });
});
