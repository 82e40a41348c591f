#include "spectral_sums.h"
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// The thread sanitizer is not ready when clones are resolved.
#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

typedef double v8 __attribute__((vector_size(64), aligned(8), may_alias));

#define INLINE static inline __attribute__((always_inline))

INLINE double reduce(const v8 *v) {
  double l[8];
  memcpy(l, v, sizeof l);
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

// Eight elements from k on; those beyond n are 0, and divide 0 by 1.
INLINE void load(const double *x, int64_t k, int64_t n, v8 *out) {
  if (k + 8 <= n) {
    *out = *(const v8 *)(x + k);
  } else {
    double lanes[8] = {0};
    memcpy(lanes, x + k, (size_t)(n - k) * sizeof *x);
    memcpy(out, lanes, sizeof lanes);
  }
}

CLONES double sk_spectral_sum(const double *w, const double *e, int64_t n, double h) {
  v8 sum = {0};
  for (int64_t k = 0; k < n; k += 8) {
    v8 wk, ek;
    load(w, k, n, &wk);
    load(e, k, n, &ek);
    sum += wk / (1 + h * ek);
  }
  return reduce(&sum);
}

CLONES void sk_spectral_sums(const double *w, const double *e, int64_t n, double h, double out[3]) {
  v8 sums[3] = {{0}, {0}, {0}};
  for (int64_t k = 0; k < n; k += 8) {
    v8 wk, ek;
    load(w, k, n, &wk);
    load(e, k, n, &ek);
    const v8 inverse = 1 / (1 + h * ek);
    const v8 u = ek * inverse;
    const v8 first = wk * inverse, second = first * u;
    sums[0] += first;
    sums[1] += second;
    sums[2] += second * u;
  }
  for (int i = 0; i < 3; i++) out[i] = reduce(&sums[i]);
}

CLONES void sk_spectral_scale(const double *w, const double *e, int64_t n, double h, double *out) {
  for (int64_t k = 0; k < n; k++) out[k] = w[k] / (1 + h * e[k]);
}
