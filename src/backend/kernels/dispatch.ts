import {
  engine,
  getBackend,
  getKernel,
  type KernelConfig,
  type Tensor,
} from '@tensorflow/tfjs-core';

/** Settings of a kernel that are no tensors. */
export type KernelAttributes = Readonly<Record<string, number | boolean>>;

/** Runs a kernel of ours on the running backend, which has it. */
export function runKernel(
  name: string,
  inputs: Readonly<Record<string, Tensor>>,
  attrs: KernelAttributes = {},
): Tensor[] {
  const result: Tensor | Tensor[] = engine().runKernel(name, inputs, attrs);
  return Array.isArray(result) ? result : [result];
}

/** True where the running backend has the kernel. Asked anew each time: it can change between calls. */
export function hasKernel(name: string): boolean {
  return (getKernel(name, getBackend()) as KernelConfig | undefined) !== undefined;
}
