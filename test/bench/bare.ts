import { createServer } from 'node:http';

/**
 * The floor: what it costs on this machine to take a POST and give back an answer of this size with node:http, and
 * nothing else. No gateway on Node can be faster. What `POST /name` answers was `PUT` there before.
 */
const answers = new Map<string | undefined, Buffer>();

createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => chunks.push(chunk));
  request.on('end', () => {
    if (request.method === 'PUT') answers.set(request.url, Buffer.concat(chunks));
    const body = answers.get(request.url) ?? Buffer.from('{}');
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.end(body);
  });
}).listen(Number(process.env['PORT']), '127.0.0.1', 1024);
