/* Mutated weights files, for a build with -fsanitize=address,undefined beside a model.c: each lies in memory of exactly
 * its size, so that a byte read past its end ends the program. What is accepted also has to compute.
 *
 * fuzz FILE COUNT SEED prints how often each answer was given, in the order of enum qslm_refusal. */
#include "model.c"

static uint32_t state;

/* xorshift (Marsaglia) */
static uint32_t draw(uint32_t below)
{
  state ^= state << 13;
  state ^= state >> 17;
  state ^= state << 5;
  return state % below;
}

static void flip(unsigned char *bytes, uint32_t size)
{
  bytes[draw(size)] ^= (unsigned char)(1u << draw(8));
}

/* Makes checksum and length right again, where a file has room for them. */
static void mend(unsigned char *bytes, uint32_t size, int length_too)
{
  uint32_t sum;
  if (size < QSLM_HEADER) return;
  if (length_too) memcpy(bytes + 12, &size, 4);
  sum = checksum(bytes + 20, size - 20);
  memcpy(bytes + 16, &sum, 4);
}

int main(int count, char **arguments)
{
  static unsigned char good[QSLM_WEIGHTS_BYTES];
  const uint32_t size = sizeof good, table = QSLM_HEADER + 4 * 7 + QSLM_TENSOR_BYTES * QSLM_TENSORS;
  const uint32_t odd[] = {0, 1, 2, 3, 7, 8, 31, 32, 33, 64, size, size - 4, size - 8, 0x7fffffffu, 0x80000000u, 0xffffffffu,
                          0xfffffffcu};
  uint32_t answers[QSLM_BIG_ENDIAN + 1] = {0}, i, k;
  FILE *file = fopen(arguments[1], "rb");
  if (count < 4 || !file || fread(good, 1, size, file) != size) return 1;
  fclose(file);
  state = (uint32_t)atoi(arguments[3]);
  for (i = 0; i < (uint32_t)atoi(arguments[2]); i++) {
    const uint32_t kind = draw(7);
    const uint32_t length = kind == 1 || kind == 2 ? draw(size) : size;
    unsigned char *bytes = malloc(length > 0 ? length : 1);
    enum qslm_refusal answer;
    memcpy(bytes, good, length);
    if (kind == 0) flip(bytes, length);                     /* one bit, anywhere */
    if (kind == 2) mend(bytes, length, 1);                  /* truncated by someone who knows how */
    if (kind == 3) flip(bytes, table);                      /* a bit that says something */
    if (kind == 6) flip(bytes + length - 512, 512);         /* the vocabulary, which comes last */
    if (kind == 4 || kind == 5)                                          /* sizes, counts and offsets */
      for (k = 0; k <= draw(3); k++) {
        const uint32_t word = odd[draw(sizeof odd / sizeof *odd)];
        memcpy(bytes + 8 + 4 * draw((table - 8) / 4), &word, 4);
      }
    if (kind >= 3) mend(bytes, length, kind == 5);
    answer = qslm_open((const float *)(const void *)bytes, length);
    answers[answer]++;
    if ((kind == 0 || kind == 1) && answer == QSLM_OK) return 2;
    if (answer == QSLM_OK) {
      for (k = 0; k < 3; k++) qslm_step(draw(QSLM_VOCAB));
      qslm_seed(i);
      if (qslm_next(0.8, 0.9) >= QSLM_VOCAB) return 3;
    }
    free(bytes);
  }
  for (k = 0; k <= QSLM_BIG_ENDIAN; k++) printf("%lu %s\n", (unsigned long)answers[k], qslm_reason((enum qslm_refusal)k));
  return 0;
}
