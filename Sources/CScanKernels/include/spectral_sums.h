#pragma once
#include <stdint.h>

// Sums over eigenvalues, as profile likelihoods and quadratic forms of a mixed model need them: d[k] = 1 + h·e[k], e = λ − 1.
//
// Like the products in exact_products.h they run in eight lanes without FMA: bits depend on the arguments alone, on every CPU.

#ifdef __cplusplus
extern "C" {
#endif

// Σ_k w[k]/d[k].
double sk_spectral_sum(const double *w, const double *e, int64_t n, double h);

// out = Σ w/d, Σ w·e/d², Σ w·e²/d³.
void sk_spectral_sums(const double *w, const double *e, int64_t n, double h, double out[3]);

// out[k] = w[k]/d[k].
void sk_spectral_scale(const double *w, const double *e, int64_t n, double h, double *out);

#ifdef __cplusplus
}
#endif
