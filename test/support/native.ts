import { existsSync } from 'node:fs';
import { packagePath } from '../../src/util/paths.js';

const BINDING = ['node_modules', '@tensorflow', 'tfjs-node-gpu', 'lib', 'napi-v8'];

/**
 * Whether `npm run setup:tensorflow` has been run here. `QSLM_REQUIRE_TENSORFLOW=1` says that it has, so
 * that tests on native TensorFlow fail where it is missing.
 */
export const HAS_NATIVE: boolean =
  process.env.QSLM_REQUIRE_TENSORFLOW === '1' ||
  existsSync(packagePath(...BINDING, 'tfjs_binding.node'));

/** The backends that suites of the forward pass run on: all that are here. */
export const TESTED_BACKENDS: readonly string[] = [
  'wasm',
  'cpu',
  ...(HAS_NATIVE ? ['tensorflow'] : []),
];
