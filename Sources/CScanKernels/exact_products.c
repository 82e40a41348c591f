#include "exact_products.h"
#include <math.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

// The thread sanitizer is not ready when clones are resolved.
#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

typedef double v8 __attribute__((vector_size(64), aligned(8), may_alias));

typedef float v8f __attribute__((vector_size(32)));
typedef int32_t v8i __attribute__((vector_size(32)));

#define INLINE static inline __attribute__((always_inline))

INLINE double reduce(const double *l) { return ((l[0] + l[4]) + (l[2] + l[6])) + ((l[1] + l[5]) + (l[3] + l[7])); }

INLINE int64_t total(const v8i *lanes) {
  int64_t sum = 0;
  for (int j = 0; j < 8; j++) sum += (*lanes)[j];
  return sum;
}

// Dot products of `rows` vectors x (n apart) with the columns of y at `index` (NULL: 0, 1, …): out[w + stride·i].
//
// `rows` and `width` are constants. On AVX2 a sum takes two of 16 registers: 1 × 6 or 2 × 2 of them leave room for x and y,
// and are enough independent additions to hide their latency. The last n mod 8 elements join their lanes one by one.
#define WIDTH(rows) ((rows) == 1 ? 6 : 2)
INLINE void dots(int rows, int width, const double *x, const double *y, const int32_t *index, int64_t n, double *out,
                 int64_t stride) {
  const double *columns[6];
  for (int w = 0; w < width; w++) columns[w] = y + (index ? index[w] : w) * n;
  v8 sums[2][6];
  for (int i = 0; i < rows; i++)
    for (int w = 0; w < width; w++) sums[i][w] = (v8){0};
  int64_t k = 0;
  for (; k + 8 <= n; k += 8) {
    v8 xs[2];
    for (int i = 0; i < rows; i++) xs[i] = *(const v8 *)(x + i * n + k);
    _Pragma("unroll") for (int w = 0; w < width; w++) {
      const v8 yw = *(const v8 *)(columns[w] + k);
      _Pragma("unroll") for (int i = 0; i < rows; i++) sums[i][w] += xs[i] * yw;
    }
  }
  for (int i = 0; i < rows; i++)
    for (int w = 0; w < width; w++) {
      double lanes[8];
      memcpy(lanes, &sums[i][w], sizeof lanes);
      _Pragma("clang loop vectorize(disable) unroll(disable)") for (int64_t j = k; j < n; j++)
          lanes[j - k] += x[i * n + j] * columns[w][j];
      out[w + stride * i] = reduce(lanes);
    }
}

INLINE void all_dots(int rows, const double *x, const double *y, const int32_t *index, int64_t count, int64_t n,
                     double *out) {
  for (int64_t j = 0; j < count; j += WIDTH(rows)) {
    const double *yj = index ? y : y + j * n;
    const int32_t *columns = index ? index + j : NULL;
#define CASE(left) case left: dots(rows, left < WIDTH(rows) ? left : WIDTH(rows), x, yj, columns, n, out + j, count); break
    switch (count - j) {
      CASE(1);
      CASE(2);
      CASE(3);
      CASE(4);
      CASE(5);
      default: dots(rows, WIDTH(rows), x, yj, columns, n, out + j, count);
    }
  }
}

CLONES void sk_products(const double *x, const double *y, const int32_t *columns, int64_t count, int64_t n,
                        double *out) {
  all_dots(1, x, y, columns, count, n, out);
}

CLONES void sk_panel_products(const double *x, int64_t width, const double *y, int64_t count, int64_t n,
                              double *out) {
  int64_t i = 0;
  for (; i + 2 <= width; i += 2) all_dots(2, x + i * n, y, NULL, count, n, out + i * count);
  if (i < width) all_dots(1, x + i * n, y, NULL, count, n, out + i * count);
}

// Elements k … k + 8·vectors − 1 of `rows` vectors x, less the combination of columns of q, into `out`.
INLINE void less(int rows, int vectors, const double *x, const double *q, int64_t rank, const double *c, int64_t n,
                 int64_t k, v8 *out) {
  for (int i = 0; i < rows; i++)
    for (int s = 0; s < vectors; s++) out[i * vectors + s] = *(const v8 *)(x + i * n + k + 8 * s);
  for (int64_t l = 0; l < rank; l++)
    _Pragma("unroll") for (int s = 0; s < vectors; s++) {
      const v8 y = *(const v8 *)(q + l * n + k + 8 * s);
      _Pragma("unroll") for (int i = 0; i < rows; i++) out[i * vectors + s] -= y * c[l + rank * i];
    }
}

INLINE void subtract(int rows, double *x, const double *q, int64_t rank, const double *c, int64_t n) {
  if (n < 8) {
    for (int i = 0; i < rows; i++)
      for (int64_t k = 0; k < n; k++)
        for (int64_t l = 0; l < rank; l++) x[i * n + k] -= q[l * n + k] * c[l + rank * i];
    return;
  }
  // The last eight elements overlap those before them: they are formed first, while x is unchanged, and stored last.
  v8 last[2], a[4];
  less(rows, 1, x, q, rank, c, n, n - 8, last);
  const int vectors = 4 / rows;
  int64_t k = 0;
  for (; k + 8 * vectors <= n; k += 8 * vectors) {
    less(rows, vectors, x, q, rank, c, n, k, a);
    for (int i = 0; i < rows; i++)
      for (int s = 0; s < vectors; s++) *(v8 *)(x + i * n + k + 8 * s) = a[i * vectors + s];
  }
  for (; k + 8 <= n; k += 8) {
    less(rows, 1, x, q, rank, c, n, k, a);
    for (int i = 0; i < rows; i++) *(v8 *)(x + i * n + k) = a[i];
  }
  for (int i = 0; i < rows; i++) *(v8 *)(x + i * n + n - 8) = last[i];
}

CLONES void sk_subtract_combination(double *x, int64_t width, const double *q, int64_t rank, const double *c,
                                    int64_t n) {
  int64_t i = 0;
  for (; i + 2 <= width; i += 2) subtract(2, x + i * n, q, rank, c + i * rank, n);
  if (i < width) subtract(1, x + i * n, q, rank, c + i * rank, n);
}

CLONES double sk_residual_sum(const double *x, const double *y, double r, int64_t n) {
  v8 acc = {0};
  int64_t k = 0;
  for (; k + 8 <= n; k += 8) {
    const v8 d = *(const v8 *)(y + k) - *(const v8 *)(x + k) * r;
    acc += d * d;
  }
  double lanes[8];
  memcpy(lanes, &acc, sizeof lanes);
  for (int64_t j = k; j < n; j++) {
    const double d = y[j] - x[j] * r;
    lanes[j - k] += d * d;
  }
  return reduce(lanes);
}

CLONES void sk_count_dosages(const float *x, int64_t n, sk_dosage_counts *out) {
  v8 sum = {0}, above = {0};
  // A comparison is −1 where it holds.
  v8i observed = {0}, carriers = {0}, middle = {0}, two = {0}, below = {0};
  for (int64_t k = 0; k < n; k += 8) {
    v8f g = {0};
    if (n - k >= 8) {
      memcpy(&g, x + k, sizeof g);
    } else {
      for (int j = 0; j < 8; j++) g[j] = NAN;
      for (int64_t j = 0; j < n - k; j++) g[j] = x[k + j];
    }
    const v8i known = g == g, over_half = g > 0.5f;
    sum += __builtin_convertvector((v8f)((v8i)g & known), v8);
    above += __builtin_convertvector((v8f)((v8i)g & over_half), v8);
    observed -= known;
    carriers -= over_half;
    middle -= (g >= 0.5f) & (g < 1.5f);
    two -= g >= 1.5f;
    below -= g < 1.5f;
  }
  *out = (sk_dosage_counts){total(&observed), total(&middle), total(&two),          total(&carriers),
                            total(&below),    reduce((double *)&sum), reduce((double *)&above)};
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
  return reduce(sum);
}

CLONES void sk_center_dosages(const float *x, double mean, int64_t n, double *out) {
  for (int64_t k = 0; k < n; k++) out[k] = x[k] == x[k] ? (double)x[k] - mean : 0.0;
}

CLONES void sk_center_codes(const uint8_t *codes, double mean, int64_t n, double *out) {
  for (int64_t k = 0; k < n; k++) {
    const double d = (double)(int32_t)codes[k] - mean;
    out[k] = codes[k] == 3 ? 0.0 : d;
  }
}
