#pragma once
#include <stdint.h>

// fp64 products whose bits depend on the two vectors alone.
//
// Every sum runs in eight lanes (element k goes to lane k mod 8), multiplies and adds rounded separately (no FMA), lanes
// reduced in one fixed order. So a result is the same whatever stands beside it in a panel, on every CPU and for every
// blocking: that is what makes a printed row depend on its pair alone.
// Error: |fl(x'y) − x'y| ≤ (n/8 + 4)·u·Σ|x_k y_k|, u = 2^-53.

#ifdef __cplusplus
extern "C" {
#endif

// out[j] = Σ_k x[k]·y[columns[j]·n + k] for j < count.
void sk_products(const double *x, const double *y, const int32_t *columns, int64_t count, int64_t n, double *out);

// out[j + count·i] = Σ_k x[i·n + k]·y[j·n + k]: all columns of x (width of them) with all of y (count).
void sk_panel_products(const double *x, int64_t width, const double *y, int64_t count, int64_t n, double *out);

// x[:, i] −= Σ_l q[:, l]·c[l + rank·i], l ascending.
void sk_subtract_combination(double *x, int64_t width, const double *q, int64_t rank, const double *c, int64_t n);

// Σ_k (y[k] − r·x[k])².
double sk_residual_sum(const double *x, const double *y, double r, int64_t n);

// Counts and sums over the dosages x of one variant; NaN is missing.
typedef struct {
  int64_t observed, rounded1, rounded2;  // dosage < 0.5, < 1.5, the rest
  int64_t above_half, below_one_and_half;
  double sum, sum_above_half;
} sk_dosage_counts;
void sk_count_dosages(const float *x, int64_t n, sk_dosage_counts *out);

// Σ (x[k] − mean)² over the observed.
double sk_centered_squares(const float *x, double mean, int64_t n);

// out[k] = x[k] − mean, 0 where missing.
void sk_center_dosages(const float *x, double mean, int64_t n, double *out);

// The same of hard calls: 0, 1, 2 copies, 3 missing.
void sk_center_codes(const uint8_t *codes, double mean, int64_t n, double *out);

#ifdef __cplusplus
}
#endif
