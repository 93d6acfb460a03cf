import { createRequire } from 'node:module';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { NodeTracerProvider, type ReadableSpan, type SpanProcessor } from '@opentelemetry/sdk-trace-node';
import { drawTraces } from './trace-tree.ts';

export interface TracesOptions {
  /** Of the sandbox, whose own side of the calls is not shown. */
  readonly sandboxUrl: string;
  readonly write: (text: string) => void;
}

/** Starts an SDK, which prints the tree of each operation when all of it has ended. */
export function printTraces({ sandboxUrl, write }: TracesOptions): void {
  const { host } = new URL(sandboxUrl);
  new NodeTracerProvider({ spanProcessors: [new TreePrinter(write)] }).register();
  registerInstrumentations({
    instrumentations: [
      new HttpInstrumentation({ ignoreIncomingRequestHook: ({ headers }) => headers.host === host }),
      new UndiciInstrumentation(),
    ],
  });
  // It changes what is required from now on, and what was imported before is the same.
  createRequire(import.meta.url)('node:http');
}

interface OpenTrace {
  underWay: number;
  readonly ended: ReadableSpan[];
}

class TreePrinter implements SpanProcessor {
  readonly #write: (text: string) => void;
  readonly #open = new Map<string, OpenTrace>();

  constructor(write: (text: string) => void) {
    this.#write = write;
  }

  onStart(span: ReadableSpan): void {
    const { traceId } = span.spanContext();
    const trace = this.#open.get(traceId) ?? { underWay: 0, ended: [] };
    trace.underWay++;
    this.#open.set(traceId, trace);
  }

  onEnd(span: ReadableSpan): void {
    const { traceId } = span.spanContext();
    const trace = this.#open.get(traceId);
    if (trace === undefined) return;
    trace.ended.push(span);
    if (--trace.underWay > 0) return;
    this.#open.delete(traceId);
    // Polls come every other second, and pages load many files.
    if (!trace.ended.some(isOperation)) return;
    this.#write(`\n${drawTraces(trace.ended, { hasTimes: true })}\n`);
  }

  forceFlush(): Promise<void> {
    return Promise.resolve();
  }

  shutdown(): Promise<void> {
    return Promise.resolve();
  }
}

function isOperation({ attributes }: ReadableSpan): boolean {
  return 'graphql.operation.type' in attributes;
}
