#pragma once
#include <stdbool.h>
#include <stdint.h>

// Decoding of genotype files: text cells to dosages, PLINK's two bits to codes.
//
// htslib's parser spends 43 ns per cell because it types every field of a record; these scan for the one field that is wanted.
// Decimals are read as an integer of at most 18 digits over a power of ten: correctly rounded up to 15 digits, within
// 2^-52 beyond, and independent of the locale.

#ifdef __cplusplus
extern "C" {
#endif

// Why a row was refused.
enum {
  gd_ok = 0,
  gd_too_few_cells,
  gd_too_many_cells,
  gd_not_a_number,
  gd_out_of_range,    // outside [0, 2] by more than 0.001
  gd_not_a_call,
  gd_ploidy,          // more than two alleles
  gd_other_allele,    // an allele beyond the last ALT
  gd_value_count,     // not one dosage for each ALT, or not one probability for each genotype
  gd_not_probabilities,  // negative, or not adding up to one within 0.1
};

// Which allele is counted (1 is the first ALT) of how many, REF among them.
typedef struct {
  int32_t alleles;
  int32_t counted;
} gd_allele;

// Where: the cell's 0-based column and its bytes in the text.
typedef struct {
  int32_t status;
  int64_t column;
  int64_t start;
  int64_t length;
} gd_result;

// The sample columns of a VCF record (`text`, from the first sample's cell to the end of the line): subfield number `field` of
// each of `columns` tab-separated cells. `.` and an omitted trailing subfield are missing: NaN, or code 3.
// A haploid call counts double; a call that misses any allele is missing.
// Dosages: one for each ALT; or, with `probabilities`, one for each genotype, from which the expected copies are taken.
// With `has_calls` (GT is the record's first subfield) a missing dosage takes the call.
gd_result gd_vcf_dosages(const uint8_t *text, int64_t length, int64_t field, bool has_calls, gd_allele which,
                         bool probabilities, int64_t columns, float *out);
gd_result gd_vcf_calls(const uint8_t *text, int64_t length, int64_t field, gd_allele which, int64_t columns, uint8_t *out);

// The cells of a text matrix's row behind its annotation. `separator` is a tab, a comma, or a space for runs of blanks.
// NA, NaN, `.` and the empty cell are missing: NaN.
gd_result gd_matrix_row(const uint8_t *text, int64_t length, uint8_t separator, int64_t columns, float *out);

// Genotypes of a BCF record as htslib unpacks them, `ploidy` (1 or 2) int32 per sample. Returns gd_ok or gd_other_allele.
int32_t gd_bcf_calls(const int32_t *alleles, int64_t ploidy, gd_allele which, int64_t columns, uint8_t *out);

// Dosages or probabilities of a BCF record, `width` floats per sample; of the result only status and column.
gd_result gd_bcf_dosages(const float *values, int64_t width, gd_allele which, bool probabilities, int64_t columns, float *out);

// Replaces dosages that are NaN by the calls.
void gd_fill_from_calls(float *values, const uint8_t *calls, int64_t columns);

// PLINK 1's 2-bit codes (00 = two A1, 10 = one, 11 = none, 01 = missing) to the number of A1 alleles, 3 for missing.
void gd_plink_codes(const uint8_t *packed, int64_t samples, uint8_t *out);

// out[k] = in[index[k]].
void gd_gather_codes(const uint8_t *in, const int32_t *index, int64_t count, uint8_t *out);
void gd_gather_dosages(const float *in, const int32_t *index, int64_t count, float *out);

#ifdef __cplusplus
}
#endif
