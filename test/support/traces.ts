import { createRequire } from 'node:module';
import type { Attributes } from '@opentelemetry/api';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  type ReadableSpan,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { expect } from 'vitest';
import { drawTraces } from '../../src/demo/trace-tree.ts';

/** What an SDK has been told of, in this file of tests. */
export interface Traces {
  /** The spans that have ended, in the order of their ends. */
  readonly spans: readonly ReadableSpan[];
  /** The gateway's own spans of this name that have ended. */
  ours(name?: string): readonly ReadableSpan[];
  /** How many spans of a name have begun. */
  begun(name: string): number;
  /** All spans that have ended, as trees. */
  drawn(): string;
  reset(): void;
  readonly undici: UndiciInstrumentation;
}

/** Starts an SDK as an operator does before the gateway, which keeps its spans for the tests. */
export function startSdk(): Traces {
  const exporter = new InMemorySpanExporter();
  const begun = new Map<string, string>();
  const provider = new NodeTracerProvider({
    spanProcessors: [
      new SimpleSpanProcessor(exporter),
      {
        onStart: (span) => void begun.set(span.spanContext().spanId, span.name),
        onEnd: () => undefined,
        forceFlush: () => Promise.resolve(),
        shutdown: () => Promise.resolve(),
      },
    ],
  });
  provider.register();
  const undici = new UndiciInstrumentation();
  registerInstrumentations({ instrumentations: [new HttpInstrumentation(), undici] });
  // It changes what is required from now on.
  createRequire(import.meta.url)('node:http');

  /** Without those of the test before, whose connections end when it has ended. */
  const ended = (): readonly ReadableSpan[] =>
    exporter.getFinishedSpans().filter((span) => begun.has(span.spanContext().spanId));

  return {
    get spans() {
      return ended();
    },
    ours: (name) =>
      ended().filter(
        (span) =>
          span.instrumentationScope.name === 'backfill-gateway' && (name === undefined || span.name === name),
      ),
    begun: (name) => [...begun.values()].filter((each) => each === name).length,
    drawn: () => drawTraces(ended()),
    reset() {
      exporter.reset();
      begun.clear();
    },
    undici,
  };
}

/** Waits for what ends after its answer. A busy machine takes its time. */
export function eventually<Value>(read: () => Value): ReturnType<typeof expect.poll<Value>> {
  return expect.poll(read, { timeout: 10_000 });
}

/** Everything that a span says, as text. */
export function toldBy({ name, attributes, events, links, status, resource }: ReadableSpan): string {
  const linked: (Attributes | undefined)[] = links.map((link) => link.attributes);
  return JSON.stringify({ name, attributes, events, linked, status, resource: resource.attributes });
}
