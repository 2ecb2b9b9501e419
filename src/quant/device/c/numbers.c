/* Numbers: float32 throughout, rounded as the WebAssembly kernels round, so that spikes are the same.
 *
 * QSLM_FUSED rounds multiply-adds once, as relaxed SIMD does where a processor has it (fmaf; -mfma or -mfpu=vfpv4
 * makes an instruction of it). Without it they are rounded twice, and the compiler must not fuse them:
 * -ffp-contract=off. */

#if FLT_EVAL_METHOD != 0
#error "float32 is computed in another precision here: spikes would differ (x87: -msse2 -mfpmath=sse)"
#endif
#ifdef __clang__
#pragma STDC FP_CONTRACT OFF
#endif

#ifdef __GNUC__
#define QSLM_INLINE static inline __attribute__((always_inline))
#else
#define QSLM_INLINE static inline
#endif

/* a * b + c */
QSLM_INLINE float madd(float a, float b, float c)
{
#ifdef QSLM_FUSED
  return fmaf(a, b, c);
#else
  return a * b + c;
#endif
}

static uint32_t bits_of(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits)
{
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* e^x, relative error below 2e-7 (Cephes' expf polynomial on [-ln 2 / 2, ln 2 / 2], as the kernels have it). 0 below
 * -87.3; x above 88.3 counts as 88.3; NaN stays NaN. */
static float exponential(float x)
{
  const float round_to_integer = 12582912.0f; /* 1.5 * 2^23 */
  float clamped = x < -87.3f ? -87.3f : x;
  float shifted, n, r, p;
  if (88.3f < clamped) clamped = 88.3f;
  shifted = madd(clamped, 1.44269504088896341f, round_to_integer);
  n = shifted - round_to_integer;
  r = madd(n, -0.693359375f, clamped);
  r = madd(n, 2.12194440e-4f, r);
  p = 1.9875691500e-4f;
  p = madd(p, r, 1.3981999507e-3f);
  p = madd(p, r, 8.3334519073e-3f);
  p = madd(p, r, 4.1665795894e-2f);
  p = madd(p, r, 1.6666665459e-1f);
  p = madd(p, r, 5.0000001201e-1f);
  p = madd(p, r * r, r + 1.0f);
  if (x < -87.3f) return 0.0f;
  /* Times 2^n: n is in the low bits of `shifted`; moved up by 23 it adds to the exponent field. */
  return float_of(bits_of(p) + (bits_of(shifted) << 23));
}

/* Sums run in four lanes, as SIMD adds them up, and then pairwise. */
static float sum_of_lanes(const float lanes[4])
{
  return lanes[0] + lanes[2] + (lanes[1] + lanes[3]);
}

/* CRC-32 (IEEE 802.3), four bits at a time. */
static uint32_t checksum(const unsigned char *bytes, size_t count)
{
  static const uint32_t table[16] = {
    0x00000000u, 0x1db71064u, 0x3b6e20c8u, 0x26d930acu, 0x76dc4190u, 0x6b6b51f4u, 0x4db26158u, 0x5005713cu,
    0xedb88320u, 0xf00f9344u, 0xd6d6a3e8u, 0xcb61b38cu, 0x9b64c2b0u, 0x86d3d2d4u, 0xa00ae278u, 0xbdbdf21cu};
  uint32_t crc = 0xffffffffu;
  size_t i;
  for (i = 0; i < count; i++) {
    crc ^= bytes[i];
    crc = (crc >> 4) ^ table[crc & 15];
    crc = (crc >> 4) ^ table[crc & 15];
  }
  return ~crc;
}
