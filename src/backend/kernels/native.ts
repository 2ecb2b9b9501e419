import type { TensorInfo } from '@tensorflow/tfjs-core';
import * as names from './names.js';
import * as plain from './plain.js';

/** An attribute of an operation of TensorFlow. */
interface Attribute {
  readonly name: string;
  readonly type: number;
  readonly value: number;
}

/** The parts that are used of tfjs-node's backend, whose types leave the binding out. */
export interface NativeBackend {
  readonly isUsingGpuDevice: boolean;
  readonly binding: {
    readonly TF_Version: string;
    readonly TF_ATTR_INT: number;
  };
  executeMultipleOutputs(
    name: string,
    attributes: readonly Attribute[],
    inputs: readonly TensorInfo[],
    outputs: number,
  ): TensorInfo[];
}

type Operation = (
  name: string,
  inputs: readonly TensorInfo[],
  outputs: number,
  counts?: Readonly<Record<string, number>>,
) => TensorInfo[];

/** The operations of src/backend/native/spiking.cc, which the binding registers with TensorFlow. */
function operationsOf(backend: NativeBackend): Operation {
  const type = backend.binding.TF_ATTR_INT;
  return (name, inputs, outputs, counts = {}) => {
    const attributes = Object.entries(counts).map(([name, value]) => ({ name, type, value }));
    return backend.executeMultipleOutputs(name, attributes, inputs, outputs);
  };
}

/** An operation whose operands and results are those of the kernel, in this order. */
const same = (name: string, order: readonly string[], outputs: number): plain.Kernel<Operation> =>
  plain.kernel(name, (inputs, _attrs, run) =>
    run(
      name,
      order.map((input) => inputs[input]),
      outputs,
    ),
  );

const KERNELS: readonly plain.Kernel<Operation>[] = [
  same(names.LAYER_NORM, ['x', 'gamma', 'beta'], 1),
  same(names.WKV, ['k', 'v', 'r', 'decay', 'first', 'state'], 2),
  same(names.TOKEN_NLL, ['logits', 'targets'], 1),
  same(names.SQUARED_RELU, ['x'], 1),

  plain.kernel(names.TOKEN_MIX, ({ x, gamma, beta, mixes, shift }, _attrs, run) => {
    const [M] = mixes.shape;
    return run(names.TOKEN_MIX, [x, gamma, beta, mixes, shift], M + 1, { M });
  }),

  plain.kernel(names.SPIKING_RESIDUAL, (inputs, { withSpikes }, run) => {
    const { x, residual, membrane } = inputs;
    const gates = 'gate' in inputs ? [inputs['gate']] : [];
    const S = withSpikes === true ? 1 : 0;
    const operands = [x, residual, membrane, ...gates];
    return run(names.SPIKING_RESIDUAL, operands, 2 + S, { G: gates.length, S });
  }),
];

/**
 * Registers the kernels that TensorFlow computes with operations of ours. They run on the processor; on a
 * GPU, and with a binding that was built without them, the composed forms compute.
 *
 * @returns whether they are registered
 */
export function registerNativeKernels(backend: NativeBackend): boolean {
  if (backend.isUsingGpuDevice || !hasOperations(backend)) return false;
  plain.registerKernels('tensorflow', KERNELS, operationsOf);
  return true;
}

/** Asked without operands, an operation that is there complains of them, and one that is not of its name. */
function hasOperations(backend: NativeBackend): boolean {
  try {
    operationsOf(backend)(names.SQUARED_RELU, [], 1);
    return true;
  } catch (error) {
    return !/not registered|not found/i.test(String(error));
  }
}
