/* Looks into an exported model for the tests; built beside its model.c with -DQSLM_NO_MAIN. */
#include "model.c"

static float weights[QSLM_WEIGHTS_BYTES / 4 + 1];

static void put(const void *values, size_t bytes)
{
  if (fwrite(values, 1, bytes, stdout) != bytes) exit(1);
}

/* walk FILE STEPS ID ...: the tokens and then STEPS likeliest ones. Of each the token, spikes by layer, logits. */
static void walk(char **arguments, int count)
{
  const uint32_t steps = (uint32_t)atoi(arguments[1]) + (uint32_t)count - 2;
  uint32_t token = 0, step;
  for (step = 0; step < steps; step++) {
    float *logits;
    token = step < (uint32_t)count - 2 ? (uint32_t)atoi(arguments[step + 2]) : token;
    qslm_step(token);
    put(&token, sizeof token);
    put(qslm_arena.parts.network.fired, sizeof qslm_arena.parts.network.fired);
    logits = qslm_logits();
    put(logits, sizeof qslm_arena.parts.logits);
    token = largest(logits, sizeof qslm_arena.parts.logits / sizeof *logits);
  }
}

int main(int count, char **arguments)
{
  FILE *file;
  size_t size;
  if (strcmp(arguments[1], "sizes") == 0) {
    printf("%lu %lu\n", (unsigned long)sizeof(struct arena), (unsigned long)sizeof qslm_arena);
    return 0;
  }
#if QSLM_CLASSES == 0
  if (strcmp(arguments[1], "exp") == 0) {
    double x;
    while (fread(&x, sizeof x, 1, stdin) == 1) {
      x = exp_down(x);
      put(&x, sizeof x);
    }
    return 0;
  }
  /* sample SEED TEMPERATURE TOP_P: a token for each row of logits. */
  if (strcmp(arguments[1], "sample") == 0) {
    static float logits[QSLM_VOCAB];
    qslm_seed((uint32_t)strtoul(arguments[2], NULL, 10));
    while (fread(logits, sizeof logits, 1, stdin) == 1) {
      const uint32_t token = sample(logits, atof(arguments[3]), atof(arguments[4]), uniform());
      put(&token, sizeof token);
    }
    return 0;
  }
#endif
  file = fopen(arguments[2], "rb");
  if (!file) return 1;
  size = fread(weights, 1, sizeof weights, file);
  fclose(file);
  if (qslm_open(weights, size) != QSLM_OK) return 1;
  walk(arguments + 2, count - 2);
  return 0;
}
