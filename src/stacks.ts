import { readFileSync } from 'node:fs';
import { SourceMap, type SourceMapPayload } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A place in a stack: the file's URL, and its line and column from 1. */
const PLACE = /(file:\/\/[^\s()]+\.js):(\d+):(\d+)/g;

/**
 * Names the places of a stack by the sources, where the files of the stack have source maps beside them. Node.js has an
 * option for this, which reads the maps at the start and makes each stack dearer, also of the errors that are expected
 * and that nobody reads.
 */
export function inSources(stack: string): string {
  return stack.replace(PLACE, (place, file: string, line: string, column: string) => {
    const entry = mapOf(file)?.findEntry(Number(line) - 1, Number(column) - 1);
    if (entry === undefined || !('originalSource' in entry)) return place;
    const source = new URL(entry.originalSource, file);
    // A package has no lines in the map, only its name.
    return source.href.includes('/node_modules/')
      ? source.href
      : `${source.href}:${entry.originalLine + 1}:${entry.originalColumn + 1}`;
  });
}

const maps = new Map<string, SourceMap | undefined>();

function mapOf(file: string): SourceMap | undefined {
  if (!maps.has(file)) maps.set(file, loadMap(`${file}.map`));
  return maps.get(file);
}

function loadMap(url: string): SourceMap | undefined {
  try {
    return new SourceMap(JSON.parse(readFileSync(fileURLToPath(url), 'utf8')) as SourceMapPayload);
  } catch {
    // It is not there, or it is none. The stack says as much as it can.
    return undefined;
  }
}
