#pragma once
#include <stdint.h>

// Genotypes and traits as the small integers that integer_products.h multiplies, and the bounds beside them.

#ifdef __cplusplus
extern "C" {
#endif

// Bounds u of one variant for each pattern of missing phenotypes, with f = √lost[p]·growth + offset:
//   lower[p·stride] = factor[p]·√max(0, squared − deletion[p]·f²)
void sk_pattern_lengths(const float *lost, const float *deletion, const float *factor, int64_t patterns, float squared,
                        float growth, float offset, float *lower, int64_t stride);

// Puts one variant's n codes into lane `lane` of a panel; samples of the last group beyond n become 0.
void sk_place_codes(const uint8_t *codes, int64_t n, int64_t width, int64_t lane, uint8_t *panel);

// Hard calls (0, 1, 2, 3 = missing) to codes level·g, `missing` for 3.
void sk_encode_calls(const uint8_t *calls, int64_t n, int32_t level, int32_t missing, uint8_t *codes);

// Hashes of hard calls, the same for either allele, and of dosages.
uint64_t sk_hash_calls(const uint8_t *calls, int64_t n);
uint64_t sk_hash_dosages(const float *g, int64_t n);

// Whether b has the calls of a, or all of them those of the other allele (2 − a).
int sk_equal_calls(const uint8_t *a, const uint8_t *b, int64_t n);

typedef struct {
  int64_t sum, squares;            // of the codes
  double error, squared_error;     // Σδ, Σδ² with δ = g − (low + code/scale)
} sk_code_sums;

// Dosages to codes rint((g − low)·scale) in 0…largest; NaN counts as `mean`. `low` is a float.
sk_code_sums sk_encode_dosages(const float *g, int64_t n, double mean, double low, double scale, int32_t largest,
                               uint8_t *codes);

// Smallest and largest of the values that are numbers; 0 and 0 when none is.
void sk_range(const float *g, int64_t n, float *low, float *high);

// max |y|.
double sk_largest_magnitude(const double *y, int64_t n);

// Codes beyond this need more than two digits.
static const int32_t sk_largest_code = 127 * 254 + 127;

// Trait codes rint(y·scale), at most ±sk_largest_code, then moved by one where that costs least until they add up to zero. Returns Σδ² with
// δ = y·scale − code, or −1 when codes within ±limit that add up to zero were not found.
double sk_encode_trait(const double *y, int64_t n, double scale, int32_t limit, int16_t *codes);

// Codes of one tile, [trait][groups·4], as low digits [group][trait][4] and, for the groups that have any, high ones
// [entry][trait][4], code = 254·high + low. Returns the number of entries; room for one of every group.
int64_t sk_place_traits(const int16_t *codes, int64_t groups, int64_t traits, int8_t *low, int32_t *group, int8_t *high);

#ifdef __cplusplus
}
#endif
