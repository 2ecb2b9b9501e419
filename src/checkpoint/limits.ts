/**
 * A state dict takes about 200 bytes of pickle, and 120 of safetensors header, for each tensor; the
 * largest SpikeGPT has 400 tensors. 4 MiB holds 20,000, and what a hostile header of that size can make
 * a reader allocate stays around 100 MB.
 */
export const MAX_HEADER_BYTES = 4 * 1024 * 1024;

/**
 * The header of a safetensors file, which holds more where it is packed: a model of 1,000 blocks, 21,000
 * tensors with checksums, shapes and its plan, takes 6.7 MB. Read and written alike: what is written can be
 * read. Such a header makes a reader allocate 400 MB at most.
 */
export const MAX_SAFETENSORS_HEADER_BYTES = 16 * 1024 * 1024;

/** Zip entries: a storage for each of those tensors, and the few others `torch.save` writes. */
export const MAX_ZIP_ENTRIES = 25_000;

/** Containers a pickle may build, and slots of its memo: a tensor takes ten. */
export const MAX_PICKLE_OBJECTS = 250_000;

/** Values on a pickle's stack at once. Picklers flush after 1,000 items. */
export const MAX_PICKLE_STACK = 100_000;

/** Open MARKs of a pickle, its nesting depth: a state dict of a training checkpoint needs five. */
export const MAX_PICKLE_DEPTH = 1_000;

/** PyTorch's own limit on the dimensions of a tensor (`TensorImpl`, 64). */
export const MAX_DIMENSIONS = 64;

/**
 * Characters of a name: of a tensor, a storage, a zip entry, a key of a dictionary. Names of nested modules stay
 * below 200. The engine hashes strings from 2^14 characters on by their length alone, so that tables of such
 * names take quadratic time.
 */
export const MAX_NAME_CHARACTERS = 1024;
