#!/usr/bin/env node
import { processHost } from './host.js';
import { runCommandLine } from './run.js';

void runCommandLine(process.argv.slice(2), processHost()).then((code) => {
  // Not `process.exit`: what is still on its way to a pipe would be lost.
  process.exitCode = code;
});
