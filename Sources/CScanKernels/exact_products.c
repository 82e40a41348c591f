#include "exact_products.h"
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// The thread sanitizer is not ready when clones are resolved.
#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

typedef double v8 __attribute__((vector_size(64), aligned(8), may_alias));

static inline __attribute__((always_inline)) double reduce(const v8 *a) {
  const double *l = (const double *)a;
  return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7]));
}

// The last n mod 8 elements, padded with zeros (x + 0·0 = x keeps the bits of every lane that is not −0).
static inline __attribute__((always_inline)) void load_tail(v8 *t, const double *p, int64_t count) {
  double buffer[8] = {0};
  memcpy(buffer, p, (size_t)count * sizeof(double));
  memcpy(t, buffer, sizeof buffer);
}

// WIDTH dot products of x with given columns: independent accumulators hide the latency of the additions.
#define DOTS(WIDTH, x, cols, n, out)                                      \
  do {                                                                    \
    v8 acc[WIDTH];                                                        \
    for (int w = 0; w < WIDTH; w++) acc[w] = (v8){0};                     \
    int64_t k = 0;                                                        \
    for (; k + 8 <= (n); k += 8) {                                        \
      const v8 xv = *(const v8 *)((x) + k);                               \
      _Pragma("unroll") for (int w = 0; w < WIDTH; w++)                   \
          acc[w] += xv * *(const v8 *)((cols)[w] + k);                    \
    }                                                                     \
    if (k < (n)) {                                                        \
      v8 xv, yv;                                                          \
      load_tail(&xv, (x) + k, (n) - k);                                   \
      for (int w = 0; w < WIDTH; w++) {                                   \
        load_tail(&yv, (cols)[w] + k, (n) - k);                           \
        acc[w] += xv * yv;                                                \
      }                                                                   \
    }                                                                     \
    for (int w = 0; w < WIDTH; w++) (out)[w] = reduce(&acc[w]);           \
  } while (0)

CLONES void sk_products(const double *x, const double *y, const int32_t *columns, int64_t count, int64_t n,
                        double *out) {
  int64_t j = 0;
  for (; j + 8 <= count; j += 8) {
    const double *cols[8];
    for (int w = 0; w < 8; w++) cols[w] = y + (int64_t)columns[j + w] * n;
    DOTS(8, x, cols, n, out + j);
  }
  for (; j < count; j++) {
    const double *cols[1] = {y + (int64_t)columns[j] * n};
    DOTS(1, x, cols, n, out + j);
  }
}

CLONES void sk_panel_products(const double *x, int64_t width, const double *y, int64_t count, int64_t n,
                              double *out) {
  for (int64_t i = 0; i < width; i++) {
    const double *xi = x + i * n;
    double *oi = out + i * count;
    int64_t j = 0;
    for (; j + 8 <= count; j += 8) {
      const double *cols[8];
      for (int w = 0; w < 8; w++) cols[w] = y + (j + w) * n;
      DOTS(8, xi, cols, n, oi + j);
    }
    for (; j < count; j++) {
      const double *cols[1] = {y + j * n};
      DOTS(1, xi, cols, n, oi + j);
    }
  }
}

CLONES void sk_subtract_combination(double *x, int64_t width, const double *q, int64_t rank, const double *c,
                                    int64_t n) {
  for (int64_t i = 0; i < width; i++) {
    double *xi = x + i * n;
    const double *ci = c + i * rank;
    int64_t k = 0;
    // Four vectors of x stay in registers while q streams past once.
    for (; k + 32 <= n; k += 32) {
      v8 a0 = *(v8 *)(xi + k), a1 = *(v8 *)(xi + k + 8), a2 = *(v8 *)(xi + k + 16), a3 = *(v8 *)(xi + k + 24);
      for (int64_t l = 0; l < rank; l++) {
        const double *ql = q + l * n + k;
        const double s = ci[l];
        a0 -= *(const v8 *)ql * s;
        a1 -= *(const v8 *)(ql + 8) * s;
        a2 -= *(const v8 *)(ql + 16) * s;
        a3 -= *(const v8 *)(ql + 24) * s;
      }
      *(v8 *)(xi + k) = a0;
      *(v8 *)(xi + k + 8) = a1;
      *(v8 *)(xi + k + 16) = a2;
      *(v8 *)(xi + k + 24) = a3;
    }
    for (; k < n; k++) {
      double a = xi[k];
      for (int64_t l = 0; l < rank; l++) a -= q[l * n + k] * ci[l];
      xi[k] = a;
    }
  }
}

CLONES double sk_residual_sum(const double *x, const double *y, double r, int64_t n) {
  v8 acc = {0};
  int64_t k = 0;
  for (; k + 8 <= n; k += 8) {
    const v8 d = *(const v8 *)(y + k) - *(const v8 *)(x + k) * r;
    acc += d * d;
  }
  if (k < n) {
    v8 xv, yv;
    load_tail(&xv, x + k, n - k);
    load_tail(&yv, y + k, n - k);
    const v8 d = yv - xv * r;
    acc += d * d;
  }
  return reduce(&acc);
}

CLONES void sk_count_dosages(const float *x, int64_t n, sk_dosage_counts *out) {
  double sum[8] = {0}, above[8] = {0};
  int32_t observed = 0, one = 0, two = 0, low = 0;
  for (int64_t k = 0; k < n; k += 8) {
    const int64_t stop = n - k < 8 ? n - k : 8;
    if (stop == 8) {
      for (int j = 0; j < 8; j++) {
        const float g = x[k + j];
        const int ok = g == g;
        const double v = ok ? (double)g : 0.0;
        sum[j] += v;
        above[j] += g > 0.5f ? v : 0.0;
        observed += ok;
        one += g >= 0.5f && g < 1.5f;
        two += g >= 1.5f;
        low += g < 1.5f;
      }
      continue;
    }
    for (int j = 0; j < stop; j++) {
      const float g = x[k + j];
      if (g != g) continue;
      sum[j] += g;
      if (g > 0.5f) above[j] += g;
      observed++;
      one += g >= 0.5f && g < 1.5f;
      two += g >= 1.5f;
      low += g < 1.5f;
    }
  }
  int32_t half = 0;
  for (int64_t k = 0; k < n; k++) half += x[k] > 0.5f;
  *out = (sk_dosage_counts){observed, one, two, half, low, reduce((const v8 *)sum), reduce((const v8 *)above)};
}

CLONES double sk_centered_squares(const float *x, double mean, int64_t n) {
  double sum[8] = {0};
  int64_t k = 0;
  for (; k + 8 <= n; k += 8)
    for (int j = 0; j < 8; j++) {
      const double d = x[k + j] == x[k + j] ? (double)x[k + j] - mean : 0.0;
      sum[j] += d * d;
    }
  for (; k < n; k++) {
    const double d = x[k] == x[k] ? (double)x[k] - mean : 0.0;
    sum[k & 7] += d * d;
  }
  return reduce((const v8 *)sum);
}

CLONES void sk_center_dosages(const float *x, double mean, int64_t n, double *out) {
  for (int64_t k = 0; k < n; k++) out[k] = x[k] == x[k] ? (double)x[k] - mean : 0.0;
}
