#pragma once
#include <stdint.h>

// From products to statistics of a dense matrix in fp32, with x = r² = c²/s, at most 1 − 2⁻²⁴.
//
// c: products; s: squared lengths, NULL for 1. A pair with a NaN among them has NaN.

#ifdef __cplusplus
extern "C" {
#endif

// out[k] = −factor·ln(1 − x), to 2⁻²¹ of itself beside what the two roundings of x do.
void sk_dense_log(const float *c, const float *s, int64_t count, float factor, float *out);

// out[k] = √(factor·x/(1 − x)), with the sign of c.
void sk_dense_ratio(const float *c, const float *s, int64_t count, float factor, float *out);

// out[k] = √x, with the sign of c.
void sk_dense_root(const float *c, const float *s, int64_t count, float *out);

#ifdef __cplusplus
}
#endif
