// Names under which the kernels of packed weights are registered with TensorFlow.js.

/** Bytes into the backend's memory, as panels of a matrix or as they are. */
export const STORE_PACKED = 'QslmStorePacked';
/** Rows of a packed table by index. */
export const PACKED_ROWS = 'QslmPackedRows';
/** x · packed weights. */
export const PACKED_MAT_MUL = 'QslmPackedMatMul';
/** max(x, 0)² · packed weights. */
export const PACKED_SQUARED_RELU_MATMUL = 'QslmPackedSquaredReluMatMul';
/** Likelihoods from the product with a packed head. */
export const PACKED_HEAD_NLL = 'QslmPackedHeadNll';
