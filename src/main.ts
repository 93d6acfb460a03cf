#!/usr/bin/env node
import './before-start.cjs';

// Imported afterwards: an old Node.js fails at what this imports before anything of it runs.
const { serve } = await import('./serve.ts');
await serve();
