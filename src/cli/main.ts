#!/usr/bin/env node
import { supervise } from './supervisor.js';

supervise(process.argv.slice(2));
