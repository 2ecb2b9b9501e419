/* Number of a token, in two bytes where they hold it. */
#if QSLM_VOCAB <= 65536
typedef uint16_t token_number;
#else
typedef uint32_t token_number;
#endif

/* The arena: all memory beside the weights. Its size is known when this file is written. */
struct arena {
#if QSLM_CLASSES == 0
  double weights[QSLM_VOCAB]; /* of tokens, before they are probabilities */
  float logits[QSLM_VOCAB];
  token_number order[QSLM_VOCAB];
#else
  float logits[QSLM_CLASSES];
#endif
  struct tensor tensors[QSLM_TENSORS];
  struct network network;
};

static union {
  struct arena parts;
  unsigned char bytes[QSLM_ARENA_BYTES];
} qslm_arena;

typedef char qslm_arena_has_the_size_that_was_said[sizeof(struct arena) <= QSLM_ARENA_BYTES ? 1 : -1];

static uint32_t qslm_vocabulary_at, qslm_vocabulary_bytes;

/* Begins a new sequence. */
static void qslm_start(void)
{
  network_start(&qslm_arena.parts.network, qslm_arena.parts.tensors);
}

/* Takes the weights file from memory, which has to stay, and begins a sequence. Nothing is read past `size` bytes,
 * whatever is in them. `file` is aligned to 4 bytes. */
static enum qslm_refusal qslm_open(const float *file, size_t size)
{
  static const uint32_t constants[] = {QSLM_CONSTANTS};
  const uint32_t count = sizeof constants / sizeof *constants;
  const unsigned char *bytes = (const unsigned char *)file;
  const uint32_t from = QSLM_HEADER + 4 * count + QSLM_TENSOR_BYTES * QSLM_TENSORS;
  uint32_t head[9], said[sizeof constants / sizeof *constants], rows, columns, i;
  const uint16_t one = 1;
  unsigned char lowest;
  enum qslm_refusal refusal;
  qslm_weights = NULL;
  memcpy(&lowest, &one, 1);
  if (lowest != 1) return QSLM_BIG_ENDIAN;
  if (size < QSLM_HEADER || size > UINT32_MAX) return QSLM_NOT_WEIGHTS;
  memcpy(head, bytes, sizeof head);
  if (memcmp(bytes, "qslm-c\0", 8) != 0) return QSLM_NOT_WEIGHTS;
  if (head[2] != QSLM_VERSION) return QSLM_OTHER_VERSION;
  if (head[3] != size) return QSLM_WRONG_SIZE;
  if (head[4] != checksum(bytes + 20, size - 20)) return QSLM_DAMAGED;
  if (head[7] != count || head[8] != QSLM_TENSORS || size < from) return QSLM_OTHER_MODEL;
  memcpy(said, bytes + QSLM_HEADER, sizeof said);
  if (memcmp(said, constants, sizeof said) != 0) return QSLM_OTHER_MODEL;
  memcpy(qslm_arena.parts.tensors, bytes + QSLM_HEADER + 4 * count, QSLM_TENSOR_BYTES * QSLM_TENSORS);
  for (i = 0; i < QSLM_TENSORS; i++) {
    const enum use use = shape_of(i, &rows, &columns);
    refusal = check_tensor(qslm_arena.parts.tensors + i, use, rows, columns, from, (uint32_t)size);
    if (refusal != QSLM_OK) return refusal;
  }
  refusal = check_vocabulary(bytes, head[5], head[6], QSLM_VOCAB, from, (uint32_t)size);
  if (refusal != QSLM_OK) return refusal;
  qslm_vocabulary_at = head[5];
  qslm_vocabulary_bytes = head[6];
  qslm_weights = file;
  qslm_start();
  return QSLM_OK;
}

/* Takes one token, below QSLM_VOCAB. */
static void qslm_step(uint32_t token)
{
  network_step(&qslm_arena.parts.network, qslm_arena.parts.tensors, token);
}

/* Logits after the tokens so far: of the next one, or of the classes. Valid until the next call. */
static float *qslm_logits(void)
{
  network_logits(&qslm_arena.parts.network, qslm_arena.parts.tensors, qslm_arena.parts.logits);
  return qslm_arena.parts.logits;
}
