#pragma once
#include <stdint.h>

// The comparison that follows an fp32 tile while it is in cache.

#ifdef __cplusplus
extern "C" {
#endif

// Indices i < count with |c[i]| >= threshold (or c[i] not a number), ascending; returns how many. `out` holds `count`.
int64_t sk_collect(const float *c, int64_t count, float threshold, uint32_t *out);

// Indices i < count with |c[i]| >= bound[i] (or not a number).
int64_t sk_collect_bounds(const float *c, const float *bound, int64_t count, uint32_t *out);

// Bounds for traits with missing values: with f = lost[pattern[i]], the squared length of the variant's residual on the samples
// that trait i misses (relative error up to `growth` in √f, absolute up to `offset`),
//   bound[i] = scale[i]·√max(0, squared − deletion[i]·(√f·growth + offset)²) − slack.
// scale may be NULL for 1.
void sk_missing_bounds(const float *lost, const int32_t *pattern, const float *deletion, const float *scale, float squared,
                       float growth, float offset, float slack, int64_t count, float *bound);

// What a variant's products with `terms` terms may explain of each of `count` traits, from z[t + count·c]: its products with g (c = 0) and
// g·i (c = 1…terms), each off by `gamma` at most. With s = by_terms[t] + Σ_c (|z_c| + gamma)² and w the largest |Σ_l directions[l + terms·j]·z_{1+l}|,
//   out[t] = (1 − r²)·(w + error + growth[t]·√s)² + r²·(1 + growth[t])·s,   r² = least[t]
void sk_interaction_reach(const float *z, int64_t terms, const float *directions, const float *by_terms, const float *least,
                          const float *growth, float gamma, float error, int64_t count, float *out);

// max |c[i]| (sign 0) or max sign·c[i], at least 0; NaN counts as infinite.
float sk_largest(const float *c, int64_t count, int sign);

// panel[k] = table[codes[k]]: 2-bit genotype codes (0, 1, 2, 3 = missing) to fp32.
void sk_expand_codes(const uint8_t *codes, const float table[4], int64_t n, float *panel);

// panel[k] = g[k] − mean, 0 for NaN: the difference in fp64, then rounded.
void sk_expand_dosages(const float *g, double mean, int64_t n, float *panel);

// How often each of the four codes occurs.
void sk_count_codes(const uint8_t *codes, int64_t n, int64_t counts[4]);

// Dosages that are all 0, 1, 2 or NaN as hard calls (3 = missing). Returns 0, with `codes` part written, where any is another.
int sk_whole_dosages(const float *g, int64_t n, uint8_t *codes);

#ifdef __cplusplus
}
#endif
