/* SpikeGPT, token by token: embedding, LAYERS blocks of x + LIF(TimeMix(ln1(x))) and x + LIF(ChannelMix(ln2(x))), and
 * ln_out. The formulas and their order are those of the kernels of the same names. */

#define WIDTH QSLM_WIDTH
#define HIDDEN QSLM_HIDDEN
#define LAYERS QSLM_LAYERS

/* Exponent of an empty WKV sum: e^x of it is 0. */
#define EMPTY_EXPONENT -1e38f

struct network {
  float shift[LAYERS][2][WIDTH];    /* the last normalized token of each module */
  float membrane[LAYERS][2][WIDTH]; /* potentials */
  float sums[LAYERS][3][WIDTH];     /* numerator, denominator and exponent of the WKV average */
  float rates[LAYERS][WIDTH];       /* e^time_decay */
  float x[WIDTH];                   /* the residual stream */
  float row[WIDTH];                 /* of it, normalized */
  float mixed[3][WIDTH];
  float product[3][WIDTH]; /* k, v and r; or the gate */
  float current[WIDTH];    /* what neurons take in */
  float hidden[HIDDEN];
  float pooled[WIDTH]; /* sum over tokens, for a classifier */
  float classes[QSLM_CLASSES > 0 ? QSLM_CLASSES : 1];
  uint32_t taken[HIDDEN > WIDTH ? HIDDEN : WIDTH];
  uint32_t fired[2 * LAYERS]; /* spikes of the last token, by layer */
  uint32_t length;            /* tokens since the start */
};

/* Places of tensors. Block 0 has four fewer where a ChannelMix takes the place of its TimeMix. */
enum { EMBEDDING, LN0, LN0_BIAS, FIRST_BLOCK };
enum { LN1, LN1_BIAS, LN2, LN2_BIAS, MIX_PART };
enum { DECAY, FIRST, MIX_K, MIX_V, MIX_R, KEY, VALUE, RECEPTANCE, OUTPUT, TIME_MIX_PARTS };
enum { CHANNEL_MIX_K, CHANNEL_MIX_R, CHANNEL_KEY, CHANNEL_VALUE, CHANNEL_RECEPTANCE, CHANNEL_MIX_PARTS };
#define BLOCK_TENSORS (MIX_PART + TIME_MIX_PARTS + CHANNEL_MIX_PARTS)
#define SHORTER (QSLM_FFN_PRE * (TIME_MIX_PARTS - CHANNEL_MIX_PARTS))
#define LN_OUT (FIRST_BLOCK + LAYERS * BLOCK_TENSORS - SHORTER)
#define LN_OUT_BIAS (LN_OUT + 1)
#define LAST (LN_OUT + 2)

static uint32_t has_ffn_pre(uint32_t block)
{
  return block == 0 && QSLM_FFN_PRE;
}

static uint32_t block_at(uint32_t block)
{
  return FIRST_BLOCK + block * BLOCK_TENSORS - (block > 0 ? SHORTER : 0);
}

static uint32_t ffn_at(uint32_t block)
{
  return block_at(block) + MIX_PART + (has_ffn_pre(block) ? (uint32_t)CHANNEL_MIX_PARTS : (uint32_t)TIME_MIX_PARTS);
}

/* The use of a tensor, and its shape. */
static enum use shape_of(uint32_t index, uint32_t *rows, uint32_t *columns)
{
  uint32_t block, part;
  *rows = 1;
  *columns = WIDTH;
  if (index == EMBEDDING) {
    *rows = QSLM_VOCAB;
    return QSLM_SPIKE_EMBEDDING ? USE_SIGNS : USE_LOOKUP;
  }
  if (index == LAST) {
    *rows = WIDTH;
    *columns = QSLM_CLASSES > 0 ? QSLM_CLASSES : QSLM_VOCAB;
    return USE_PRODUCT;
  }
  if (index < FIRST_BLOCK || index >= LN_OUT) return USE_VECTOR;
  for (block = LAYERS - 1; index < block_at(block);) block--;
  part = index - block_at(block);
  if (part < MIX_PART) return USE_VECTOR;
  if (index < ffn_at(block) && !has_ffn_pre(block)) {
    part -= MIX_PART;
    if (part < KEY) return USE_VECTOR;
    *rows = WIDTH;
    return USE_PRODUCT;
  }
  part = index < ffn_at(block) ? part - MIX_PART : index - ffn_at(block);
  if (part < CHANNEL_KEY) return USE_VECTOR;
  *rows = part == CHANNEL_VALUE ? HIDDEN : WIDTH;
  if (part == CHANNEL_KEY) *columns = HIDDEN;
  return USE_PRODUCT;
}

/* (x - mean) / sqrt(variance + 1e-5) * gamma + beta */
static void normalize(const float *x, const float *gamma, const float *beta, float *out)
{
  float lanes[4] = {0}, squares[4] = {0};
  float mean, scale;
  uint32_t c;
  for (c = 0; c < WIDTH; c++) lanes[c % 4] += x[c];
  mean = sum_of_lanes(lanes) / (float)WIDTH;
  for (c = 0; c < WIDTH; c++) {
    const float centred = x[c] - mean;
    squares[c % 4] = madd(centred, centred, squares[c % 4]);
  }
  scale = 1.0f / sqrtf(sum_of_lanes(squares) / (float)WIDTH + 1e-5f);
  for (c = 0; c < WIDTH; c++) out[c] = madd((x[c] - mean) * scale, gamma[c], beta[c]);
}

/* Layer norm, token shift and interpolation of the stream into `count` outputs. */
static void token_mix(struct network *net, const struct tensor *norm, const struct tensor *mixes, uint32_t count,
                      float *shift)
{
  uint32_t m, c;
  normalize(net->x, vector(norm), vector(norm + 1), net->row);
  for (m = 0; m < count; m++) {
    const float *mix = vector(mixes + m);
    for (c = 0; c < WIDTH; c++) net->mixed[m][c] = madd(net->row[c] - shift[c], mix[c], shift[c]);
  }
  memcpy(shift, net->row, sizeof net->row);
}

/* sigmoid(r) * WKV into mixed[0], with a running maximum in the exponent. */
static void wkv(struct network *net, uint32_t block, const float *first)
{
  float *numerators = net->sums[block][0], *denominators = net->sums[block][1], *exponents = net->sums[block][2];
  uint32_t c;
  for (c = 0; c < WIDTH; c++) {
    const float key = net->product[0][c], value = net->product[1][c];
    const float a = numerators[c], b = denominators[c], p = exponents[c];
    const float lead = p - (first[c] + key);
    const float minor = exponential(-fabsf(lead));
    const float past = lead >= 0.0f ? 1.0f : minor, present = lead >= 0.0f ? minor : 1.0f;
    const float numerator = madd(past, a, present * value);
    const float denominator = madd(past, b, present);
    const float gate = 1.0f + exponential(-net->product[2][c]);
    const float decayed = p - net->rates[block][c];
    const float gap = decayed - key;
    const float small = exponential(-fabsf(gap));
    const float keep = gap >= 0.0f ? 1.0f : small, add = gap >= 0.0f ? small : 1.0f;
    net->mixed[0][c] = numerator / (denominator * gate);
    numerators[c] = madd(keep, a, add * value);
    denominators[c] = madd(keep, b, add);
    exponents[c] = gap >= 0.0f ? decayed : key;
  }
}

/* LIF neurons (tau 2, threshold 1, hard reset), whose spikes are added to the stream. */
static uint32_t spiking_residual(struct network *net, const float *gate, float *membrane)
{
  uint32_t fired = 0, c;
  for (c = 0; c < WIDTH; c++) {
    float current = net->current[c], charged;
    if (gate) current = current / (1.0f + exponential(-gate[c]));
    charged = madd(current - membrane[c], 0.5f, membrane[c]);
    membrane[c] = charged >= 1.0f ? 0.0f : charged;
    if (charged >= 1.0f) {
      net->x[c] += 1.0f;
      fired++;
    }
  }
  return fired;
}

/* output(sigmoid(receptance) * WKV(key, value)) */
static void time_mix(struct network *net, uint32_t block, const struct tensor *norm, const struct tensor *part)
{
  uint32_t m;
  token_mix(net, norm, part + MIX_K, 3, net->shift[block][0]);
  for (m = 0; m < 3; m++) product(part + KEY + m, net->mixed[m], net->product[m], net->taken);
  wkv(net, block, vector(part + FIRST));
  product(part + OUTPUT, net->mixed[0], net->current, net->taken);
}

/* value(relu(key)^2); the gate stays in product[0]. */
static void channel_mix(struct network *net, const struct tensor *norm, const struct tensor *part, float *shift)
{
  uint32_t j;
  token_mix(net, norm, part + CHANNEL_MIX_K, 2, shift);
  product(part + CHANNEL_KEY, net->mixed[0], net->hidden, net->taken);
  for (j = 0; j < HIDDEN; j++) net->hidden[j] = net->hidden[j] <= 0.0f ? 0.0f : net->hidden[j] * net->hidden[j];
  product(part + CHANNEL_VALUE, net->hidden, net->current, net->taken);
  product(part + CHANNEL_RECEPTANCE, net->mixed[1], net->product[0], net->taken);
}

/* Nothing seen, potentials at rest. */
static void network_start(struct network *net, const struct tensor *tensors)
{
  uint32_t block, c;
  memset(net, 0, sizeof *net);
  for (block = 0; block < LAYERS; block++)
    for (c = 0; c < WIDTH; c++) {
      net->sums[block][2][c] = EMPTY_EXPONENT;
      if (!has_ffn_pre(block))
        net->rates[block][c] = exponential(vector(tensors + block_at(block) + MIX_PART + DECAY)[c]);
    }
}

/* Takes one token, below QSLM_VOCAB. The normalized stream after the last block is then in `row`. */
static void network_step(struct network *net, const struct tensor *tensors, uint32_t token)
{
  uint32_t block, c;
  look_up(tensors + EMBEDDING, token, net->x);
  for (block = 0; block < LAYERS; block++) {
    const struct tensor *own = tensors + block_at(block);
    if (block == 0) {
      normalize(net->x, vector(tensors + LN0), vector(tensors + LN0_BIAS), net->row);
      memcpy(net->x, net->row, sizeof net->row);
    }
    if (has_ffn_pre(block)) channel_mix(net, own + LN1, own + MIX_PART, net->shift[block][0]);
    else time_mix(net, block, own + LN1, own + MIX_PART);
    net->fired[2 * block] =
      spiking_residual(net, has_ffn_pre(block) ? net->product[0] : NULL, net->membrane[block][0]);
    channel_mix(net, own + LN2, tensors + ffn_at(block), net->shift[block][1]);
    net->fired[2 * block + 1] = spiking_residual(net, net->product[0], net->membrane[block][1]);
  }
  normalize(net->x, vector(tensors + LN_OUT), vector(tensors + LN_OUT_BIAS), net->row);
  for (c = 0; c < WIDTH; c++) net->pooled[c] += net->row[c];
  net->length++;
}

/* Logits of the next token [QSLM_VOCAB], or of the classes of all tokens so far [QSLM_CLASSES]. */
static void network_logits(struct network *net, const struct tensor *tensors, float *out)
{
  uint32_t c;
  if (QSLM_CLASSES > 0) /* over the mean of the tokens */
    for (c = 0; c < WIDTH; c++) net->row[c] = net->pooled[c] / (float)net->length;
  product(tensors + LAST, net->row, out, net->taken);
}
