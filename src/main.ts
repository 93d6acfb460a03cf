#!/usr/bin/env node
import './before-start.cjs';
import module from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

// SIGUSR2 asks for the state. Without a listener it would end the process, and what answers it takes a moment to load.
let stateWasAsked = false;
const noteRequest = (): void => {
  stateWasAsked = true;
};
process.on('SIGUSR2', noteRequest);

// From 22.8 on Node.js keeps compiled code for the next start: beside the program, since others may write to the folder
// for temporary files. Where it cannot write, nothing is kept.
const { enableCompileCache } = module as { readonly enableCompileCache?: (folder: string) => unknown };
enableCompileCache?.(fileURLToPath(new URL('../dist/compile-cache', import.meta.url)));

// Imported afterwards: an old Node.js fails at what this imports before anything of it runs.
const { serve } = await import('./serve.ts');
const served = serve(stateWasAsked);
process.off('SIGUSR2', noteRequest);
await served;
