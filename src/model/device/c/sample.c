/* Choice of the next token, as src/model/generate.ts makes it: the same random numbers, the same order of sums. */

/* The first of the largest values. */
static uint32_t largest(const float *values, uint32_t count)
{
  uint32_t best = 0, i;
  for (i = 1; i < count; i++)
    if (values[i] > values[best]) best = i;
  return best;
}

#if QSLM_CLASSES == 0
/* xoroshiro128+ (Blackman and Vigna) in 32-bit halves, seeded as pure-rand seeds it. */
static uint32_t qslm_random[4];

static void qslm_seed(uint32_t seed)
{
  qslm_random[0] = 0xffffffffu;
  qslm_random[1] = ~seed;
  qslm_random[2] = seed;
  qslm_random[3] = 0;
}

static uint32_t next_random(void)
{
  const uint32_t high0 = qslm_random[0], low0 = qslm_random[1], high1 = qslm_random[2], low1 = qslm_random[3];
  const uint32_t low = low1 ^ low0, high = high1 ^ high0;
  qslm_random[1] = ((low0 << 24) | (high0 >> 8)) ^ low ^ (low << 16);
  qslm_random[0] = ((high0 << 24) | (low0 >> 8)) ^ high ^ ((high << 16) | (low >> 16));
  qslm_random[3] = (high << 5) | (low >> 27);
  qslm_random[2] = (low << 5) | (high >> 27);
  return low0 + low1;
}

/* Uniform in [0, 1): 26 bits, and 27 below them. */
static double uniform(void)
{
  const double high = (double)(next_random() & 0x3ffffffu);
  return high / 67108864.0 + (double)(next_random() & 0x7ffffffu) / 9007199254740992.0;
}

/* e^x for x up to 0, bit for bit the Math.exp of V8: x = k ln 2 + r, and fdlibm's rational approximation in r, with the
 * intervals that it tells apart by the upper half of |x|. */
static double exp_down(double x)
{
  const double ln2_high = 6.93147180369123816490e-01, ln2_low = 1.90821492927058770002e-10;
  double high = 0, low = 0, t, c;
  uint64_t bits;
  uint32_t size;
  int k = 0;
  if (x != x) return x;
  if (x < -7.45133219101941108420e+02) return 0;
  memcpy(&bits, &x, sizeof bits);
  size = (uint32_t)(bits >> 32) & 0x7fffffffu;
  if (size < 0x3e300000u) return 1 + x; /* 2^-28 */
  if (size > 0x3fd62e42u) {             /* ln 2 / 2 */
    k = size < 0x3ff0a2b2u ? -1 : (int)(1.44269504088896338700 * x - 0.5); /* 3 ln 2 / 2 */
    high = x - k * ln2_high;
    low = k * ln2_low;
    x = high - low;
  }
  t = x * x;
  c = 4.13813679705723846039e-08;
  c = -1.65339022054652515390e-06 + t * c;
  c = 6.61375632143793436117e-05 + t * c;
  c = -2.77777777770155933842e-03 + t * c;
  c = 1.66666666666666019037e-01 + t * c;
  c = x - t * c;
  if (k == 0) return 1 - ((x * c) / (c - 2) - x);
  return ldexp(1 - ((low - (x * c) / (2 - c)) - high), k);
}

/* True where token a comes before token b: by falling weight, then by number. */
static int comes_before(const double *weights, uint32_t a, uint32_t b)
{
  if (weights[a] != weights[b]) return weights[a] > weights[b];
  return a < b;
}

/* Lets the token at `place` sink in a heap of `count`, whose first is the one that comes before all others. */
static void sink(token_number *heap, uint32_t count, uint32_t place, const double *weights)
{
  const token_number token = heap[place];
  for (;;) {
    uint32_t child = 2 * place + 1;
    if (child >= count) break;
    if (child + 1 < count && comes_before(weights, heap[child + 1], heap[child])) child++;
    if (!comes_before(weights, heap[child], token)) break;
    heap[place] = heap[child];
    place = child;
  }
  heap[place] = token;
}

/* Nucleus sampling: tokens by falling probability until `top_p` is reached, then one of them in proportion. */
static uint32_t sample(const float *logits, double temperature, double top_p, double draw)
{
  double *weights = qslm_arena.parts.weights;
  token_number *order = qslm_arena.parts.order;
  const double highest = (double)logits[largest(logits, QSLM_VOCAB)];
  double total = 0, mass = 0, left;
  uint32_t kept = 0, i;
  for (i = 0; i < QSLM_VOCAB; i++) {
    weights[i] = exp_down(((double)logits[i] - highest) / temperature);
    total += weights[i];
    order[i] = (token_number)i;
  }
  for (i = QSLM_VOCAB / 2; i-- > 0;) sink(order, QSLM_VOCAB, i, weights);
  /* What is taken from the heap goes behind it. */
  while (kept < QSLM_VOCAB && mass < top_p * total) {
    const uint32_t end = QSLM_VOCAB - 1 - kept;
    const token_number token = order[0];
    mass += weights[token];
    order[0] = order[end];
    order[end] = token;
    kept++;
    sink(order, end, 0, weights);
  }
  left = draw * mass;
  for (i = 0; i < kept; i++) {
    left -= weights[order[QSLM_VOCAB - 1 - i]];
    if (left < 0) return order[QSLM_VOCAB - 1 - i];
  }
  return order[kept > 0 ? QSLM_VOCAB - kept : 0];
}

/* The next token: the likeliest at temperature 0. */
static uint32_t qslm_next(double temperature, double top_p)
{
  static const uint32_t forbidden[] = {QSLM_FORBIDDEN};
  float *logits = qslm_logits();
  uint32_t i;
  for (i = 0; i < sizeof forbidden / sizeof *forbidden; i++)
    if (forbidden[i] < QSLM_VOCAB) logits[forbidden[i]] = -HUGE_VALF;
  if (temperature == 0) return largest(logits, QSLM_VOCAB);
  return sample(logits, temperature, top_p, uniform());
}
#endif
