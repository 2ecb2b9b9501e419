import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { BACKWARD_PLAIN_KERNELS } from './backward/plain.js';
import { PLAIN_KERNELS, registerKernels, type Memory } from './plain.js';
import { STEP_PLAIN_KERNELS } from './steps/plain.js';

function memoryIn(backend: MathBackendCPU): Memory {
  return {
    floats: ({ dataId }) => backend.data.get(dataId).values as Float32Array,
    integers: ({ dataId }) => backend.data.get(dataId).values as Int32Array,
    output: (shape) => {
      const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
      return backend.makeTensorInfo([...shape], 'float32', values);
    },
  };
}

/** Registers the plain kernels with the `cpu` backend. */
export function registerCpuKernels(): void {
  registerKernels(
    'cpu',
    [...PLAIN_KERNELS, ...STEP_PLAIN_KERNELS, ...BACKWARD_PLAIN_KERNELS],
    memoryIn,
  );
}
