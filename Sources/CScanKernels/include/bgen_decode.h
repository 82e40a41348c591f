#pragma once
#include <stdint.h>

// A BGEN layout 2 probability block (decompressed) to dosages.
//
// Source: BGEN v1.2 and v1.3 specification (Band & Marchini 2018, doi:10.1101/308296).

#ifdef __cplusplus
extern "C" {
#endif

// Why a block was refused.
enum {
  bg_ok = 0,
  bg_size,     // shorter or longer than its samples need
  bg_samples,  // another number of samples than the file's
  bg_alleles,  // another number of alleles than the record's, or not 2…bg_most_alleles
  bg_ploidy,   // a sample with more than two alleles
  bg_phase,    // the phase flag is neither 0 nor 1
  bg_bits,     // not 1…32 bits for a probability
  bg_sum,      // probabilities that add up to more than one
};

enum { bg_most_alleles = 255 };

typedef struct {
  int32_t status;
  int64_t sample;  // of bg_ploidy and bg_sum, 0-based
} bg_result;

// Dosages of the alleles 1…alleles−1 (the first is REF), [allele − 1][sample], NaN for a sample marked missing or of ploidy 0.
// A haploid sample's count is doubled. A dosage is a whole number of 1/(2^bits − 1): exactly rounded for up to 22 bits, within
// 2^-24 of itself beyond. Reads block[0 ..< size] only, whatever it holds; `out` holds (alleles − 1)·samples.
bg_result bg_dosages(const uint8_t *block, int64_t size, int64_t samples, int32_t alleles, float *out);

#ifdef __cplusplus
}
#endif
