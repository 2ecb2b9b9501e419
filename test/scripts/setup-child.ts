/** `npm run setup:tensorflow` on a machine of a test: setup-child.ts FOLDER, with bin, cache and package in it. */
import { join } from 'node:path';
import { endOnSignals, explain } from '../../scripts/tensorflow/ending.js';
import { setUp } from '../../scripts/tensorflow/setup.js';

const folder = process.argv[2];
endOnSignals();
setUp(
  {
    env: { ...process.env, PATH: join(folder, 'bin') },
    cache: join(folder, 'cache'),
    package: join(folder, process.argv[3] ?? 'package'),
    tell: (line) => {
      console.log(line);
    },
  },
  { kind: 'cpu' },
).then(console.log, explain);
