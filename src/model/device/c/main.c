#ifndef QSLM_NO_MAIN

/* Exit codes. */
enum { EXIT_USAGE = 2, EXIT_WEIGHTS = 3, EXIT_TOKENS = 4, EXIT_OUTPUT = 5 };

/* The weights file, read once. A larger one of the same model needs -DQSLM_WEIGHTS_BYTES=<its size>. */
static float file[QSLM_WEIGHTS_BYTES / 4 + 1];

static int refuse(int code, const char *where, const char *what)
{
  fflush(stdout);
  fprintf(stderr, "error: %s: %s\n", where, what);
  return code;
}

static int usage(const char *program)
{
  fprintf(stderr,
#if QSLM_CLASSES == 0
          "usage: %s WEIGHTS generate [--length TOKENS] [--temperature VALUE] [--top-p SHARE] [--seed NUMBER]\n"
          "         [--stop ID] [--text] [--stats] [ID ...]\n"
          "Continues the tokens with these ids, which come from the standard input where none are given. Writes ids,\n"
          "one a line; with --text their text. Defaults: 100 tokens, temperature 0.8 (0: the likeliest), top-p 0.9,\n"
          "seed 0, stop %ld (-1: none).\n",
          program, (long)QSLM_STOP);
#else
          "usage: %s WEIGHTS classify [--stats] [ID ...]\n"
          "Writes the class of the tokens with these ids, which come from the standard input where none are given, and\n"
          "the logits of all classes.\n",
          program);
#endif
  return EXIT_USAGE;
}

static int load(const char *path)
{
  FILE *stream = fopen(path, "rb");
  enum qslm_refusal refusal;
  size_t size;
  if (!stream) return refuse(EXIT_WEIGHTS, path, "cannot be opened");
  size = fread(file, 1, sizeof file, stream);
  if (ferror(stream)) {
    fclose(stream);
    return refuse(EXIT_WEIGHTS, path, "cannot be read");
  }
  fclose(stream);
  if (size > QSLM_WEIGHTS_BYTES)
    return refuse(EXIT_WEIGHTS, path, "no room for it: longer than QSLM_WEIGHTS_BYTES of this program");
  refusal = qslm_open(file, size);
  if (refusal != QSLM_OK) return refuse(EXIT_WEIGHTS, path, qslm_reason(refusal));
  return 0;
}

/* A whole number in the digits of a text; -1 for anything else, and beyond 2^32 - 1. */
static int64_t number_in(const char *text)
{
  int64_t value = 0;
  if (!*text) return -1;
  for (; *text; text++) {
    if (*text < '0' || *text > '9') return -1;
    value = value * 10 + (*text - '0');
    if (value > (int64_t)UINT32_MAX) return -1;
  }
  return value;
}

#if QSLM_CLASSES == 0
/* A number as "0.9", of up to 15 digits: then one division rounds as it should. -1 for anything else. Not strtod,
 * which is larger than all of this. */
static double decimal_in(const char *text)
{
  double value = 0, scale = 1;
  int digits = 0, after_point = 0;
  for (; *text; text++) {
    if (*text == '.' && !after_point) {
      after_point = 1;
      continue;
    }
    if (*text < '0' || *text > '9' || ++digits > 15) return -1;
    value = value * 10 + (*text - '0');
    if (after_point) scale *= 10;
  }
  return digits > 0 ? value / scale : -1;
}
#endif

static int take(const char *text)
{
  const int64_t token = number_in(text);
  if (token < 0 || token >= QSLM_VOCAB) return refuse(EXIT_TOKENS, text, "not the id of a token");
  qslm_step((uint32_t)token);
  return 0;
}

/* Takes tokens from the arguments, or from the standard input. */
static int take_all(char **ids, int count)
{
  char word[16];
  size_t length = 0;
  int code = 0, i, c;
  for (i = 0; i < count && code == 0; i++) code = take(ids[i]);
  if (count > 0) return code;
  do {
    c = getchar();
    if (c != EOF && c != ' ' && c != '\n' && c != '\t' && c != '\r' && c != ',') {
      if (length + 1 < sizeof word) word[length++] = (char)c;
      continue;
    }
    word[length] = 0;
    if (length > 0) code = take(word);
    length = 0;
  } while (c != EOF && code == 0);
  return code;
}

static void print_stats(uint32_t tokens, clock_t since)
{
  const double seconds = (double)(clock() - since) / CLOCKS_PER_SEC;
  fprintf(stderr, "%lu tokens in %.3f s, %.1f tokens/s; arena %lu bytes, weights %lu bytes\n", (unsigned long)tokens,
          seconds, seconds > 0 ? tokens / seconds : 0.0, (unsigned long)QSLM_ARENA_BYTES,
          (unsigned long)QSLM_WEIGHTS_BYTES);
}

#if QSLM_CLASSES == 0
/* The text of a token, or its id where there is no vocabulary. */
static void print_token(uint32_t token, int as_text)
{
  const unsigned char *lengths = (const unsigned char *)weights_at(qslm_vocabulary_at);
  const unsigned char *text = lengths + QSLM_VOCAB;
  uint32_t i;
  if (!as_text) {
    printf("%lu\n", (unsigned long)token);
    return;
  }
  for (i = 0; i < token; i++) text += lengths[i];
  fwrite(text, 1, lengths[token], stdout);
}

static int generate(char **arguments, int count, const char *program)
{
  double temperature = 0.8, top_p = 0.9;
  int64_t length = 100, seed = 0, stop = QSLM_STOP;
  int as_text = 0, stats = 0, code, i;
  uint32_t done = 0;
  clock_t since;
  for (i = 0; i < count && arguments[i][0] == '-'; i++) {
    const char *name = arguments[i];
    const char *value;
    if (strcmp(name, "--text") == 0) {
      as_text = 1;
      continue;
    }
    if (strcmp(name, "--stats") == 0) {
      stats = 1;
      continue;
    }
    if (i + 1 == count) return usage(program);
    value = arguments[++i];
    if (strcmp(name, "--temperature") == 0) temperature = decimal_in(value);
    else if (strcmp(name, "--top-p") == 0) top_p = decimal_in(value);
    else if (strcmp(name, "--length") == 0) length = number_in(value);
    else if (strcmp(name, "--seed") == 0) seed = number_in(value);
    else if (strcmp(name, "--stop") == 0) stop = strcmp(value, "-1") == 0 ? -1 : number_in(value);
    else return usage(program);
  }
  if (temperature < 0 || !(top_p > 0 && top_p <= 1) || length < 0 || seed < 0)
    return usage(program);
  if (as_text && qslm_vocabulary_bytes == 0)
    return refuse(EXIT_USAGE, "--text", "the weights file has no vocabulary");
  code = take_all(arguments + i, count - i);
  if (code != 0) return code;
  if (qslm_arena.parts.network.length == 0) return refuse(EXIT_TOKENS, "prompt", "no tokens");
  qslm_seed((uint32_t)seed);
  since = clock();
  for (; done < (uint32_t)length; done++) {
    const uint32_t token = qslm_next(temperature, top_p);
    if ((int64_t)token == stop) break;
    print_token(token, as_text);
    fflush(stdout);
    qslm_step(token);
  }
  if (stats) print_stats(done, since);
  return 0;
}
#else
static int classify(char **arguments, int count, const char *program)
{
  const float *logits;
  const clock_t since = clock();
  int stats = 0, code, i;
  uint32_t c;
  for (i = 0; i < count && arguments[i][0] == '-'; i++) {
    if (strcmp(arguments[i], "--stats") != 0) return usage(program);
    stats = 1;
  }
  code = take_all(arguments + i, count - i);
  if (code != 0) return code;
  if (qslm_arena.parts.network.length == 0) return refuse(EXIT_TOKENS, "text", "no tokens");
  logits = qslm_logits();
  printf("%lu", (unsigned long)largest(logits, QSLM_CLASSES));
  for (c = 0; c < QSLM_CLASSES; c++) printf(" %.9g", (double)logits[c]);
  printf("\n");
  if (stats) print_stats(qslm_arena.parts.network.length, since);
  return 0;
}
#endif

int main(int count, char **arguments)
{
  int code;
  if (count < 3) return usage(arguments[0]);
  code = load(arguments[1]);
  if (code != 0) return code;
#if QSLM_CLASSES == 0
  if (strcmp(arguments[2], "generate") != 0) return usage(arguments[0]);
  code = generate(arguments + 3, count - 3, arguments[0]);
#else
  if (strcmp(arguments[2], "classify") != 0) return usage(arguments[0]);
  code = classify(arguments + 3, count - 3, arguments[0]);
#endif
  if (code == 0 && (fflush(stdout) != 0 || ferror(stdout)))
    return refuse(EXIT_OUTPUT, "standard output", "cannot be written");
  return code;
}
#endif
