import { availableParallelism } from 'node:os';
import { findBackend } from '@tensorflow/tfjs-core';
import { registerNativeKernels, type NativeBackend } from '../kernels/native.js';
import { activate, TFJS, type Backend } from './backend.js';
import { findGpus, instructionSet, type Gpu } from './devices.js';
import { passToLibraries } from './environment.js';

/**
 * Set to 1 to let a GPU round the operands of products to TensorFloat-32: 10 bits of fraction in place of 23,
 * which flips spikes. `--tf32` sets it.
 */
export const TF32_VARIABLE = 'QSLM_TF32';

/** Lets products on a GPU use TensorFloat-32 in this process; before the backend starts. */
export function allowTf32(): void {
  process.env[TF32_VARIABLE] = '1';
}

const usesTf32 = (): boolean => process.env[TF32_VARIABLE] === '1';

/** Settings that the native libraries read when they are loaded; what the user has set stays. */
function settings(): Readonly<Record<string, string>> {
  return {
    // Without it TensorFlow takes all memory of the GPU at once.
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    // Only errors: it tells which instructions it was built with.
    TF_CPP_MIN_LOG_LEVEL: '2',
    TF_NUM_INTRAOP_THREADS: String(availableParallelism()),
    // The products of oneDNN do not depend on how many rows are multiplied at once; Eigen's do.
    TF_ENABLE_ONEDNN_OPTS: '1',
  };
}

/** The settings, in the environment that native libraries read. @returns a call for when they are loaded. */
function configure(): () => void {
  for (const [name, value] of Object.entries(settings())) process.env[name] ??= value;
  process.env['NVIDIA_TF32_OVERRIDE'] = usesTf32() ? '1' : '0';
  const names = [...Object.keys(settings()), 'NVIDIA_TF32_OVERRIDE'];
  return passToLibraries(names, Number(process.env['TF_CPP_MIN_LOG_LEVEL']) > 0);
}

/** The threads of an operation of TensorFlow, and of our kernels beside it. */
const threadsOfOperations = (): string => process.env['TF_NUM_INTRAOP_THREADS'] ?? '1';

/** tfjs-node's backend; the union package in its place, which is JavaScript, has no binding. */
function running(): NativeBackend | undefined {
  const found = findBackend('tensorflow') as Partial<NativeBackend> | null;
  return typeof found?.binding?.TF_Version === 'string' ? (found as NativeBackend) : undefined;
}

let gpu: Gpu | undefined;

/** "tensorflow-2.21.0-cpu-avx512", "tensorflow-2.21.0-gpu-8.9-550.54.14" */
export function identityOf(
  version: string,
  instructions: string,
  gpu: Gpu | undefined,
  tf32: boolean,
): string {
  if (gpu === undefined) return `tensorflow-${version}-cpu-${instructions}`;
  return `tensorflow-${version}-gpu-${gpu.capability}-${gpu.driver}${tf32 ? '-tf32' : ''}`;
}

const UNKNOWN_GPU: Gpu = { name: 'GPU', capability: 'unknown', driver: 'unknown' };

/** Native TensorFlow, with its own threads, and a GPU where there is one. */
export const TENSORFLOW: Backend = {
  name: 'tensorflow',
  needs: "TensorFlow's C library, which `npm run setup:tensorflow` gets",
  /** tfjs-node-gpu registers itself when it is loaded. It calls `util.isNullOrUndefined`, which Node 23 removed. */
  start: async () => {
    const util = (await import('node:util')).default as { isNullOrUndefined?: unknown };
    util.isNullOrUndefined ??= (value: unknown) => value === null || value === undefined;
    const loaded = configure();
    try {
      await import('@tensorflow/tfjs-node-gpu');
    } finally {
      loaded();
    }
    const native = running();
    if (native === undefined) throw new Error('the native library did not register a backend');
    await activate('tensorflow');
    // The binding computes on the last of the devices.
    if (native.isUsingGpuDevice) gpu ??= findGpus().at(-1) ?? UNKNOWN_GPU;
  },
  registerKernels: () => {
    registerNativeKernels(running()!);
  },
  identity: () => {
    const version = running()?.binding.TF_Version;
    if (version === undefined) return 'tensorflow';
    return identityOf(version, instructionSet(), gpu, usesTf32());
  },
  describe: () => {
    const library = `${TFJS}, TensorFlow ${running()!.binding.TF_Version}`;
    if (gpu === undefined) {
      const threads = threadsOfOperations();
      return Promise.resolve(`${library}, processor (${instructionSet()}), ${threads} threads`);
    }
    const { name, capability, driver } = gpu;
    const tf32 = usesTf32() ? 'TF32' : 'float32';
    return Promise.resolve(
      `${library}, ${name} (compute capability ${capability}, driver ${driver}), ${tf32}`,
    );
  },
  // It has threads of its own, and would load its library once a worker.
  threads: () => 0,
};
