/**
 * Asks a binding of native TensorFlow for a product, its version and its devices, in a process of its own,
 * since a native library can end the process that loads it: `node check-native.js <tfjs_binding.node>`.
 */
interface Binding {
  readonly TF_Version: string;
  readonly TF_FLOAT: number;
  readonly TF_ATTR_TYPE: number;
  readonly TF_ATTR_BOOL: number;
  isUsingGpuDevice(): boolean;
  createTensor(shape: readonly number[], type: number, values: Float32Array): number;
  executeOp(
    name: string,
    attributes: readonly { name: string; type: number; value: number | boolean }[],
    inputs: readonly number[],
    outputs: number,
  ): readonly { readonly id: number }[];
  tensorDataSync(id: number): Float32Array;
}

function check(path: string): void {
  process.env['TF_CPP_MIN_LOG_LEVEL'] ??= '2';
  process.env['TF_FORCE_GPU_ALLOW_GROWTH'] ??= 'true';
  // eslint-disable-next-line @typescript-eslint/no-require-imports -- a native module has no other way in
  const binding = require(path) as Binding;
  const { TF_FLOAT, TF_ATTR_TYPE, TF_ATTR_BOOL } = binding;
  const made = (values: readonly number[]): number =>
    binding.createTensor([2, 2], TF_FLOAT, Float32Array.from(values));
  const attributes = [
    { name: 'transpose_a', type: TF_ATTR_BOOL, value: false },
    { name: 'transpose_b', type: TF_ATTR_BOOL, value: false },
    { name: 'T', type: TF_ATTR_TYPE, value: TF_FLOAT },
  ];
  const inputs = [made([1, 2, 3, 4]), made([5, 6, 7, 8])];
  const [product] = binding.executeOp('MatMul', attributes, inputs, 1);
  const found = [...binding.tensorDataSync(product.id)].join(' ');
  if (found !== '19 22 43 50') throw new Error(`a product came out as ${found}, not 19 22 43 50`);
  const device = binding.isUsingGpuDevice() ? 'a GPU' : 'the processor';
  console.log(`TensorFlow ${binding.TF_Version} computes on ${device}`);
}

check(process.argv[2]);
