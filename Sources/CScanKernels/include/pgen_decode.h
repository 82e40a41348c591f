#pragma once
#include <stdint.h>

// Variant records of PLINK 2's PGEN, after the format's specification (chrchang/plink-ng, pgen_spec, §2.3).
//
// Nothing in a record is trusted: every read is checked against the record's end and every sample number against the number of
// samples, so that any bytes either decode or are refused. Work and memory are proportional to samples plus bytes.

#ifdef __cplusplus
extern "C" {
#endif

// Why a record was refused.
enum {
  pg_ok = 0,
  pg_short,      // the record ends before its data
  pg_undefined,  // a kind of track that the specification reserves
  pg_list,       // a list of samples that is out of order or names one beyond the last
  pg_allele,     // an allele beyond the last, or a pair out of order
  pg_dosage,     // above 2
};

// One record: its bytes and its type, whose bits 0-2 say how hard calls are stored, 3 that there are calls of ALT alleles beyond
// the first, 4 that phase follows, 5-6 how dosages are stored. Bit 7, phased dosages, concerns tracks behind all that is read.
typedef struct {
  const uint8_t *bytes;
  int64_t length;
  int64_t samples;
  int32_t type;
} pg_record;

// Whether the record refers to the last one before it that does not.
static inline int pg_is_relative(int32_t type) { return (type & 6) == 2; }
static inline int pg_has_dosages(int32_t type) { return (type & 0x60) != 0; }
static inline int pg_has_other_alleles(int32_t type) { return (type & 8) != 0; }

// Hard calls: 0 no ALT, 1 one, 2 two (of any ALT), 3 missing. `anchor`: those of the record that a relative one refers to, else
// unused. `*used`: bytes of the record that were read.
int32_t pg_calls(const pg_record *record, const uint8_t *anchor, uint8_t *calls, int64_t *used);

// ALT dosages of a record of a biallelic variant: those it stores, hard calls for other samples, NaN for missing.
int32_t pg_dosages(const pg_record *record, int64_t used, const uint8_t *calls, float *dosages);

// A call that involves an ALT allele beyond the first; alleles are numbered from REF, which is 0.
typedef struct {
  uint32_t sample;
  uint32_t first, second;
} pg_other_call;

// The calls that involve ALT alleles beyond the first, of a variant with `alternates` ALT alleles (at least 2). `calls` are those of
// pg_calls; `others` has room for one per sample.
int32_t pg_other_calls(const pg_record *record, int64_t used, int64_t alternates, const uint8_t *calls, pg_other_call *others,
                       int64_t *count);

// Copies of ALT allele `allele`, 3 for missing.
void pg_allele_calls(const uint8_t *calls, int64_t samples, const pg_other_call *others, int64_t count, uint32_t allele,
                     uint8_t *out);

#ifdef __cplusplus
}
#endif
