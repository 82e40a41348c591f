#include "dense_statistics.h"
#include <math.h>
#include <string.h>

// The thread sanitizer is not ready when clones are resolved.
#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#define INLINE static inline __attribute__((always_inline))

// Comparisons are such that NaN stays.
INLINE float share(float c, float s) {
  const float x = c * c / s;
  return x > 0x1.fffffep-1f ? 0x1.fffffep-1f : x;
}

// ln(1 − x) for 0 ≤ x < 1: 1 − x = 2^k·f, f in [√½, √2), ln f = 2·artanh(z), z = (f − 1)/(f + 1).
//
// For x < 1 − √½ k is 0 and f − 1 is −x itself, so small x lose nothing. |z| < 0.1716: the series to z⁹ is off by 2e-9 of itself; the other
// cases are at least 0.34 in size, and k·ln 2 is rounded once.
INLINE float log_rest(float x) {
  const float y = 1 - x;
  int32_t bits;
  memcpy(&bits, &y, sizeof bits);
  // 0x3f3504f3 is √½.
  const int32_t k = (bits - 0x3f3504f3) >> 23;
  bits -= k * (1 << 23);
  float f;
  memcpy(&f, &bits, sizeof f);
  const float t = k == 0 ? -x : f - 1;
  const float z = t / (2 + t), w = z * z;
  const float series = 2.0f + w * (2.0f / 3 + w * (2.0f / 5 + w * (2.0f / 7 + w * (2.0f / 9))));
  // x − x: NaN has bits like others.
  return (float)k * 0.693147181f + (z * series + (x - x));
}

// Without errno, which keeps sqrtf from being vectorised.
#define ROOT(x) __builtin_elementwise_sqrt(x)

#define FOR_EACH(EXPRESSION)                     \
  if (s) {                                       \
    for (int64_t i = 0; i < count; i++) {        \
      const float x = share(c[i], s[i]);         \
      out[i] = EXPRESSION;                       \
    }                                            \
  } else {                                       \
    for (int64_t i = 0; i < count; i++) {        \
      const float x = share(c[i], 1);            \
      out[i] = EXPRESSION;                       \
    }                                            \
  }

CLONES void sk_dense_log(const float *c, const float *s, int64_t count, float factor, float *out) {
  // 0 rather than −0.
  FOR_EACH(factor * (0 - log_rest(x)))
}

CLONES void sk_dense_ratio(const float *c, const float *s, int64_t count, float factor, float *out) {
  FOR_EACH(copysignf(ROOT(factor * x / (1 - x)), c[i]))
}

CLONES void sk_dense_root(const float *c, const float *s, int64_t count, float *out) {
  FOR_EACH(copysignf(ROOT(x), c[i]))
}
