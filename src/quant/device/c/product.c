/* Products with matrices that stay packed: a tile of 64 values at a time becomes float32 and is added up, and inputs
 * that are zero are left out, their weights unread. Each output is one chain of multiply-adds in the order of the
 * inputs, as the kernels have it. */

/* A tensor that is never quantized. */
static const float *vector(const struct tensor *t)
{
  return (const float *)weights_at(t->data);
}

/* One plane of `width` bits of n values onto bits `base` and up of q. */
QSLM_INLINE void add_plane(const unsigned char *restrict from, uint32_t width, uint32_t n, uint32_t base,
                           unsigned char *restrict q)
{
  const uint32_t bytes = n * width / 8;
  const uint32_t mask = (1u << width) - 1;
  uint32_t shift, j;
  for (shift = 0; shift < 8; shift += width, q += bytes)
    for (j = 0; j < bytes; j++) q[j] = (unsigned char)(q[j] | ((((uint32_t)from[j] >> shift) & mask) << base));
}

/* n values of up to 8 bits; returns the bytes that they take. */
QSLM_INLINE uint32_t unpack_bytes(const unsigned char *from, uint32_t bits, uint32_t n, unsigned char *q)
{
  uint32_t base = 0;
  if (bits == 8) {
    memcpy(q, from, n);
    return n;
  }
  memset(q, 0, n);
  if (bits & 4) {
    add_plane(from, 4, n, base, q);
    from += n * 4 / 8;
    base += 4;
  }
  if (bits & 2) {
    add_plane(from, 2, n, base, q);
    from += n * 2 / 8;
    base += 2;
  }
  if (bits & 1) add_plane(from, 1, n, base, q);
  return n * bits / 8;
}

/* The integers of n values, a multiple of 8, as float32. */
QSLM_INLINE void unpack(const unsigned char *from, uint32_t bits, uint32_t n, float *restrict q)
{
  unsigned char low[QSLM_TILE], high[QSLM_TILE];
  const uint32_t taken = unpack_bytes(from, bits > 8 ? 8 : bits, n, low);
  uint32_t k;
  for (k = 0; k < n; k++) q[k] = (float)low[k];
  if (bits <= 8) return;
  unpack_bytes(from + taken, bits - 8, n, high);
  for (k = 0; k < n; k++) q[k] += 256.0f * (float)high[k];
}

/* sum += x * row, of n columns from `first` on; `whole`: n rounded up to a multiple of 8. */
QSLM_INLINE void add_row(const struct tensor *t, const unsigned char *from, uint32_t row, uint32_t first, uint32_t n,
                         uint32_t whole, float x, float *restrict sum)
{
  const float *scales = (const float *)weights_at(t->scales);
  const float *zeros = (const float *)weights_at(t->zeros);
  const float zero = (float)(1u << ((t->bits - 1) & 15));
  const uint32_t group = row / t->row_group;
  float q[QSLM_TILE];
  uint32_t k;
  unpack(from, t->bits, whole, q);
  if (t->column_group != 1) {
    const float scale = scales[group];
    const float middle = t->zeros ? zeros[group] : zero;
    for (k = 0; k < n; k++) sum[k] = madd(x, (q[k] - middle) * scale, sum[k]);
    return;
  }
  scales += (size_t)group * t->columns + first;
  if (t->zeros) {
    zeros += (size_t)group * t->columns + first;
    for (k = 0; k < n; k++) sum[k] = madd(x, (q[k] - zeros[k]) * scales[k], sum[k]);
  } else
    for (k = 0; k < n; k++) sum[k] = madd(x, (q[k] - zero) * scales[k], sum[k]);
}

static void add_whole_row(const struct tensor *t, const unsigned char *from, uint32_t row, uint32_t first, float x,
                          float *restrict sum)
{
  /* The widths of plans by name, so that the loops of each are unrolled for it. */
  struct tensor known = *t;
  switch (t->bits) {
#define QSLM_CASE(b) \
  case b: \
    known.bits = b; \
    add_row(&known, from, row, first, QSLM_TILE, QSLM_TILE, x, sum); \
    break
    QSLM_CASE(2);
    QSLM_CASE(3);
    QSLM_CASE(4);
    QSLM_CASE(5);
    QSLM_CASE(6);
    QSLM_CASE(8);
#undef QSLM_CASE
  default: add_row(&known, from, row, first, QSLM_TILE, QSLM_TILE, x, sum);
  }
}

static void add_floats(const unsigned char *from, uint32_t n, float x, float *restrict sum)
{
  const float *values = (const float *)(const void *)from;
  uint32_t k;
  for (k = 0; k < n; k++) sum[k] = madd(x, values[k], sum[k]);
}

/* out = x * W. x: [rows]; out: [columns]; taken: scratch of [rows]. */
static void product(const struct tensor *t, const float *x, float *out, uint32_t *taken)
{
  const unsigned char *data = (const unsigned char *)weights_at(t->data);
  uint32_t count = 0, row, first, i;
  for (row = 0; row < t->rows; row++) {
    taken[count] = row;
    count += x[row] != 0.0f;
  }
  for (first = 0; first < t->columns; first += QSLM_TILE) {
    const uint32_t left = t->columns - first;
    const uint32_t n = left < QSLM_TILE ? left : QSLM_TILE;
    const uint32_t whole = (n + 7) / 8 * 8;
    const size_t stride = (size_t)(whole / 8) * t->bits;
    const unsigned char *tile = data + (size_t)t->rows * (first / 8) * t->bits;
    float sum[QSLM_TILE] = {0};
    for (i = 0; i < count; i++) {
      const unsigned char *from = tile + taken[i] * stride;
      if (t->bits == 32) add_floats(from, n, x[taken[i]], sum);
      else if (n == QSLM_TILE) add_whole_row(t, from, taken[i], first, x[taken[i]], sum);
      else add_row(t, from, taken[i], first, n, whole, x[taken[i]], sum);
    }
    memcpy(out + first, sum, n * sizeof *sum);
  }
}

/* One row of a table: the integers themselves where it has no scales. */
static void look_up(const struct tensor *t, uint32_t row, float *out)
{
  const unsigned char *data = (const unsigned char *)weights_at(t->data);
  const float *scales = (const float *)weights_at(t->scales);
  const float *zeros = (const float *)weights_at(t->zeros);
  const float zero = (float)(1u << ((t->bits - 1) & 15));
  uint32_t first, k;
  for (first = 0; first < t->columns; first += QSLM_TILE) {
    const uint32_t left = t->columns - first;
    const uint32_t n = left < QSLM_TILE ? left : QSLM_TILE;
    const uint32_t whole = (n + 7) / 8 * 8;
    const unsigned char *from = data + (size_t)t->rows * (first / 8) * t->bits + (size_t)row * (whole / 8) * t->bits;
    float q[QSLM_TILE];
    if (t->bits == 32) {
      memcpy(out + first, from, n * sizeof *out);
      continue;
    }
    unpack(from, t->bits, whole, q);
    for (k = 0; k < n; k++) {
      const size_t group = (size_t)(row / t->row_group) * groups_of(t) + (first + k) / t->column_group;
      out[first + k] = t->scales ? (q[k] - (t->zeros ? zeros[group] : zero)) * scales[group] : q[k];
    }
  }
}
