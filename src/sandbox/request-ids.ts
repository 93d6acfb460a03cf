import { randomBytes, randomUUID } from 'node:crypto';

let made = 0;

/** The API documents two formats, a UUID in capitals and 32 URL-safe characters; the ids alternate between them. */
export function freshRequestId(): string {
  made += 1;
  return made % 2 === 1 ? randomUUID().toUpperCase() : randomBytes(24).toString('base64url');
}
