#include "screen.h"
#include <math.h>

// The thread sanitizer is not ready when clones are resolved.
#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

// Survivors are rare: a block of 64 is first asked whether it has any (vectorised by the compiler), then searched.
// `!(a < b)` keeps NaN as a survivor, so that nothing undecided is ever discarded.
#define COLLECT(BOUND)                                             \
  int64_t found = 0, i = 0;                                        \
  for (; i + 64 <= count; i += 64) {                               \
    int any = 0;                                                   \
    for (int j = 0; j < 64; j++) any |= !(fabsf(c[i + j]) < BOUND(i + j)); \
    if (any)                                                       \
      for (int j = 0; j < 64; j++)                                 \
        if (!(fabsf(c[i + j]) < BOUND(i + j))) out[found++] = (uint32_t)(i + j); \
  }                                                                \
  for (; i < count; i++)                                           \
    if (!(fabsf(c[i]) < BOUND(i))) out[found++] = (uint32_t)i;     \
  return found;

#define SCALAR_BOUND(k) threshold
#define VECTOR_BOUND(k) bound[k]

CLONES int64_t sk_collect(const float *c, int64_t count, float threshold, uint32_t *out) {
  COLLECT(SCALAR_BOUND)
}

CLONES int64_t sk_collect_bounds(const float *c, const float *bound, int64_t count, uint32_t *out) {
  COLLECT(VECTOR_BOUND)
}

CLONES void sk_missing_bounds(const float *lost, const int32_t *pattern, const float *deletion, const float *scale,
                              float squared, float growth, float offset, float slack, int64_t count, float *bound) {
  for (int64_t i = 0; i < count; i++) {
    const float f = sqrtf(lost[pattern[i]]) * growth + offset;
    // deletion may be infinite, f zero: then nothing is known, and NaN would be kept as a survivor too.
    const float left = squared - deletion[i] * (f * f);
    const float length = left > 0 ? sqrtf(left) : 0;
    bound[i] = (scale ? scale[i] : 1) * length - slack;
  }
}

// `width` traits at a time, so that sums over terms stay in the first-level cache; at most 64.
static inline __attribute__((always_inline)) void interaction_reach(
    int64_t width, const float *z, int64_t terms, const float *directions, const float *by_terms, const float *least,
    const float *growth, float gamma, float error, int64_t stride, float *out) {
  float s[64], w[64], sum[64];
  for (int64_t t = 0; t < width; t++) {
    s[t] = by_terms[t];
    w[t] = 0;
  }
  for (int64_t c = 0; c <= terms; c++)
    for (int64_t t = 0; t < width; t++) {
      const float most = fabsf(z[t + stride * c]) + gamma;
      s[t] += most * most;
    }
  for (int64_t j = 0; j < terms; j++) {
    for (int64_t t = 0; t < width; t++) sum[t] = 0;
    for (int64_t l = 0; l < terms; l++)
      for (int64_t t = 0; t < width; t++) sum[t] += directions[l + terms * j] * z[t + stride * (1 + l)];
    for (int64_t t = 0; t < width; t++) w[t] = fabsf(sum[t]) > w[t] ? fabsf(sum[t]) : w[t];
  }
  for (int64_t t = 0; t < width; t++) {
    const float most = w[t] + error + growth[t] * sqrtf(s[t]);
    out[t] = (1 - least[t]) * (most * most) + least[t] * ((1 + growth[t]) * s[t]);
  }
}

CLONES void sk_interaction_reach(const float *z, int64_t terms, const float *directions, const float *by_terms,
                                 const float *least, const float *growth, float gamma, float error, int64_t count,
                                 float *out) {
  int64_t t = 0;
  for (; t + 64 <= count; t += 64)
    interaction_reach(64, z + t, terms, directions, by_terms + t, least + t, growth + t, gamma, error, count, out + t);
  if (t < count)
    interaction_reach(count - t, z + t, terms, directions, by_terms + t, least + t, growth + t, gamma, error, count,
                      out + t);
}

CLONES float sk_largest(const float *c, int64_t count, int sign) {
  float m = 0;
  int nan = 0;
  const float s = sign < 0 ? -1.0f : 1.0f;
  for (int64_t i = 0; i < count; i++) {
    const float a = sign ? s * c[i] : fabsf(c[i]);
    m = a > m ? a : m;
    nan |= a != a;
  }
  return nan ? INFINITY : m;
}

CLONES void sk_expand_codes(const uint8_t *codes, const float table[4], int64_t n, float *panel) {
  const float t0 = table[0], t1 = table[1], t2 = table[2], t3 = table[3];
  for (int64_t k = 0; k < n; k++) {
    const uint8_t g = codes[k];
    const float a = g == 1 ? t1 : t0, b = g == 3 ? t3 : t2;
    panel[k] = g >= 2 ? b : a;
  }
}

CLONES void sk_expand_dosages(const float *g, double mean, int64_t n, float *panel) {
  for (int64_t k = 0; k < n; k++) panel[k] = g[k] == g[k] ? (float)((double)g[k] - mean) : 0;
}

CLONES void sk_count_codes(const uint8_t *codes, int64_t n, int64_t counts[4]) {
  int64_t c1 = 0, c2 = 0, c3 = 0;
  for (int64_t start = 0; start < n; start += 128) {
    // Bytes count up to 128 before they are widened.
    const int64_t stop = start + 128 < n ? start + 128 : n;
    uint8_t s1 = 0, s2 = 0, s3 = 0;
    for (int64_t k = start; k < stop; k++) {
      s1 += codes[k] == 1;
      s2 += codes[k] == 2;
      s3 += codes[k] == 3;
    }
    c1 += s1;
    c2 += s2;
    c3 += s3;
  }
  counts[0] = n - c1 - c2 - c3;
  counts[1] = c1;
  counts[2] = c2;
  counts[3] = c3;
}

CLONES int sk_whole_dosages(const float *g, int64_t n, uint8_t *codes) {
  for (int64_t start = 0; start < n; start += 256) {
    // Fractional dosages end the search early.
    const int64_t stop = start + 256 < n ? start + 256 : n;
    uint32_t others = 0;
    for (int64_t k = start; k < stop; k++) {
      const uint32_t zero = g[k] == 0, one = g[k] == 1, two = g[k] == 2, missing = g[k] != g[k];
      codes[k] = (uint8_t)(one + 2 * two + 3 * missing);
      others |= !(zero | one | two | missing);
    }
    if (others) return 0;
  }
  return 1;
}
