/* The weights file. All numbers are little-endian uint32, offsets count bytes from its start and are multiples of 4:
 *
 *   "qslm-c\0\0", version, bytes of the file, CRC-32 of all that follows it, offset and bytes of the vocabulary (0, 0:
 *   none), constants, tensors; then the values of the constants, eight numbers a tensor (struct tensor), and the data.
 *
 * Integers of a matrix [rows, columns] lie in tiles of 64 columns (the last one narrower, a multiple of 8), a tile row
 * after row; a row of n values of b bits takes n * b / 8 bytes. It is cut into planes of 8, 4, 2 and 1 bits, the widest
 * first and lowest; in a plane of w bits and P = n * w / 8 bytes the k-th value is at bits (k / P) * w of byte k mod P,
 * so that a plane unpacks by shifts of whole vectors. 32 bits are float32 in the same order.
 *
 * A value is (integer - zero) * scale. Of value [i, j] they are number (i / row_group) * ceil(columns / column_group) +
 * j / column_group of their tables. */

#define QSLM_VERSION 1u
#define QSLM_HEADER 36u
#define QSLM_TENSOR_BYTES 32u
#define QSLM_TILE 64u

struct tensor {
  uint32_t bits; /* 1 to 16, or 32: float32 */
  uint32_t rows; /* of a product: its inputs */
  uint32_t columns;
  uint32_t row_group;
  uint32_t column_group;
  uint32_t scales; /* 0: the integers are the values */
  uint32_t zeros;  /* float32; 0: all are 2^(bits - 1) */
  uint32_t data;
};

/* Reasons to refuse a weights file. */
enum qslm_refusal {
  QSLM_OK,
  QSLM_NOT_WEIGHTS,
  QSLM_OTHER_VERSION,
  QSLM_WRONG_SIZE,
  QSLM_DAMAGED,
  QSLM_OTHER_MODEL,
  QSLM_BAD_SHAPE,
  QSLM_BAD_BITS,
  QSLM_BAD_GROUPS,
  QSLM_OUT_OF_RANGE,
  QSLM_BAD_VOCABULARY,
  QSLM_BIG_ENDIAN
};

static const char *qslm_reason(enum qslm_refusal refusal)
{
  static const char *const reasons[] = {
    "accepted",
    "not a weights file of qslm",
    "another version of the format",
    "not as long as it says: truncated, or something was added",
    "damaged: the checksum is another one",
    "weights of another model",
    "a tensor has another shape than the model's",
    "a tensor has a bit width that it cannot have",
    "a tensor has groups that it cannot have",
    "a tensor's data lie outside of the file",
    "the vocabulary does not fit the model",
    "this machine is big-endian"};
  return reasons[refusal];
}

/* Use of a tensor: a vector, signs, a table to look rows up in, or a factor of a product. */
enum use { USE_VECTOR, USE_SIGNS, USE_LOOKUP, USE_PRODUCT };

static uint32_t groups_of(const struct tensor *t)
{
  return (t->columns + t->column_group - 1) / t->column_group;
}

/* True where `bytes` bytes from an offset lie in the file. */
static int lies_within(uint32_t offset, uint64_t bytes, uint32_t from, uint32_t size)
{
  return offset % 4 == 0 && offset >= from && offset <= size && bytes <= size - offset;
}

/* Checks a tensor of a known shape against a file of `size` bytes, whose data begin at `from`. */
static enum qslm_refusal check_tensor(const struct tensor *t, enum use use, uint32_t rows, uint32_t columns,
                                      uint32_t from, uint32_t size)
{
  uint64_t octets, groups;
  if (t->rows != rows || t->columns != columns) return QSLM_BAD_SHAPE;
  if (t->bits != 32 && (t->bits < 1 || t->bits > 16)) return QSLM_BAD_BITS;
  if ((use == USE_VECTOR && t->bits != 32) || (use == USE_SIGNS && t->bits != 1)) return QSLM_BAD_BITS;
  octets = ((uint64_t)columns + 7) / 8;
  if (octets * t->bits > UINT64_C(0xffffffffffffffff) / rows) return QSLM_OUT_OF_RANGE;
  if (!lies_within(t->data, octets * t->bits * rows, from, size)) return QSLM_OUT_OF_RANGE;
  if (t->row_group < 1 || t->row_group > rows) return QSLM_BAD_GROUPS;
  if (t->column_group < 1 || t->column_group > columns) return QSLM_BAD_GROUPS;
  if (t->bits == 32 || use == USE_SIGNS) return t->scales == 0 && t->zeros == 0 ? QSLM_OK : QSLM_BAD_GROUPS;
  if (use == USE_PRODUCT && t->column_group != 1 && t->column_group != columns) return QSLM_BAD_GROUPS;
  groups = ((uint64_t)rows + t->row_group - 1) / t->row_group;
  groups *= ((uint64_t)columns + t->column_group - 1) / t->column_group;
  if (groups > UINT32_MAX) return QSLM_OUT_OF_RANGE;
  if (!lies_within(t->scales, 4 * groups, from, size)) return QSLM_OUT_OF_RANGE;
  if (t->zeros != 0 && !lies_within(t->zeros, 4 * groups, from, size)) return QSLM_OUT_OF_RANGE;
  return QSLM_OK;
}

/* The text of a vocabulary: a byte of length a token, and the texts behind each other. */
static enum qslm_refusal check_vocabulary(const unsigned char *bytes, uint32_t at, uint32_t length, uint32_t tokens,
                                          uint32_t from, uint32_t size)
{
  uint64_t sum = tokens;
  uint32_t i;
  if (at == 0 && length == 0) return QSLM_OK;
  if (!lies_within(at, length, from, size)) return QSLM_OUT_OF_RANGE;
  if (length < tokens) return QSLM_BAD_VOCABULARY;
  for (i = 0; i < tokens; i++) sum += bytes[at + i];
  return sum == length ? QSLM_OK : QSLM_BAD_VOCABULARY;
}

/* The file, once it is accepted; in 32-bit words, since float32 are read from it where they lie. */
static const float *qslm_weights;

static const void *weights_at(uint32_t offset)
{
  return qslm_weights + offset / 4;
}
