#include "bgen_decode.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

enum { missing_flag = 0x80, ploidy_mask = 0x3F };

// Up to eight bytes at p, the first the lowest; beyond `end` they are zero.
static inline uint64_t little_endian(const uint8_t *p, const uint8_t *end) {
  uint64_t value = 0;
  if (end - p >= 8) memcpy(&value, p, 8);
  else memcpy(&value, p, (size_t)(end - p));
  return value;
}

// Diploid samples, two alleles, probabilities of one byte or two: of 00 and 01, or of 0 in either haplotype. Returns whether any two
// of a sample add up to more than one.
__attribute__((always_inline)) static inline bool diploids(const uint8_t *ploidy, const uint8_t *p, int64_t n, bool phased,
                                                           bool wide, float *out) {
  const int32_t one = wide ? 65535 : 255;
  uint32_t over = 0;
  for (int64_t i = 0; i < n; i++) {
    // One load for both: interleaved loads of two bytes are not turned into vectors well.
    uint32_t pair = 0;
    memcpy(&pair, p + (wide ? 4 : 2) * i, wide ? 4 : 2);
    const int32_t a = (int32_t)(pair & (uint32_t)one), b = (int32_t)(pair >> (wide ? 16 : 8));
    const bool missing = ploidy[i] & missing_flag;
    over |= (uint32_t)(!phased & !missing & (a + b > one));
    const float dosage = (float)(2 * one - (phased ? a : 2 * a) - b) / (float)one;
    out[i] = missing ? NAN : dosage;
  }
  return over;
}

CLONES static bool diploids_8(const uint8_t *ploidy, const uint8_t *p, int64_t n, bool phased, float *out) {
  return phased ? diploids(ploidy, p, n, true, false, out) : diploids(ploidy, p, n, false, false, out);
}

CLONES static bool diploids_16(const uint8_t *ploidy, const uint8_t *p, int64_t n, bool phased, float *out) {
  return phased ? diploids(ploidy, p, n, true, true, out) : diploids(ploidy, p, n, false, true, out);
}

// The lowest and the highest ploidy.
CLONES static void ploidies(const uint8_t *ploidy, int64_t n, uint8_t *least, uint8_t *most) {
  uint8_t low = ploidy_mask, high = 0;
  for (int64_t i = 0; i < n; i++) {
    const uint8_t z = ploidy[i] & ploidy_mask;
    low = z < low ? z : low;
    high = z > high ? z : high;
  }
  *least = low;
  *most = high;
}

typedef struct {
  const uint8_t *data, *end;
  int64_t bit;
  int32_t bits;
} reader;

static inline uint64_t next(reader *r) {
  const uint64_t value = little_endian(r->data + (r->bit >> 3), r->end) >> (r->bit & 7);
  r->bit += r->bits;
  return value & (((uint64_t)1 << r->bits) - 1);
}

// Copies of each allele expected in one sample, in units of 1/one; false when probabilities add up to more than one.
static bool count_alleles(reader *r, int32_t alleles, int32_t ploidy, bool phased, uint64_t one, uint64_t *copies) {
  memset(copies, 0, sizeof(uint64_t) * (size_t)alleles);
  if (phased || ploidy == 1) {
    for (int32_t haplotype = 0; haplotype < ploidy; haplotype++) {
      uint64_t sum = 0;
      for (int32_t k = 0; k + 1 < alleles; k++) {
        const uint64_t p = next(r);
        copies[k] += p;
        sum += p;
      }
      if (sum > one) return false;
      copies[alleles - 1] += one - sum;
    }
    return true;
  }
  // Genotypes 00, 01, 11, 02, 12, 22, …; the last one's probability is left out.
  uint64_t sum = 0;
  for (int32_t j = 0; j < alleles; j++) {
    for (int32_t i = 0; i <= j; i++) {
      const bool last = i + 1 == alleles;
      if (last && sum > one) return false;
      const uint64_t p = last ? one - sum : next(r);
      copies[i] += p;
      copies[j] += p;
      sum += p;
    }
  }
  return true;
}

// How many probabilities a sample has.
static int64_t stored(int32_t ploidy, int32_t alleles, bool phased) {
  if (phased || ploidy < 2) return (int64_t)ploidy * (alleles - 1);
  return (int64_t)alleles * (alleles + 1) / 2 - 1;
}

// Any ploidy up to two, any number of alleles and bits. The reader holds as much as the samples need.
static bg_result general(reader r, const uint8_t *ploidy, int64_t samples, int32_t alleles, bool phased, float *out) {
  const uint64_t one = ((uint64_t)1 << r.bits) - 1;
  uint64_t copies[bg_most_alleles];
  for (int64_t i = 0; i < samples; i++) {
    const int32_t z = ploidy[i] & ploidy_mask;
    const bool missing = z == 0 || ploidy[i] & missing_flag;
    if (missing) r.bit += stored(z, alleles, phased) * r.bits;
    else if (!count_alleles(&r, alleles, z, phased, one, copies)) return (bg_result){bg_sum, i};
    for (int32_t k = 1; k < alleles; k++)
      out[(k - 1) * samples + i] = missing ? NAN : (float)((double)(copies[k] * (z == 1 ? 2 : 1)) / (double)one);
  }
  return (bg_result){bg_ok, 0};
}

bg_result bg_dosages(const uint8_t *block, int64_t size, int64_t samples, int32_t alleles, float *out) {
  if (size < 10 || samples < 0 || samples > size - 10) return (bg_result){bg_size, 0};
  if ((int64_t)(little_endian(block, block + 4)) != samples) return (bg_result){bg_samples, 0};
  if ((int32_t)little_endian(block + 4, block + 6) != alleles || alleles < 2 || alleles > bg_most_alleles)
    return (bg_result){bg_alleles, 0};
  const uint8_t *ploidy = block + 8, *flags = ploidy + samples;
  if (flags[0] > 1) return (bg_result){bg_phase, 0};
  if (flags[1] < 1 || flags[1] > 32) return (bg_result){bg_bits, 0};
  const bool phased = flags[0];
  reader r = {flags + 2, block + size, 0, flags[1]};

  uint8_t least, most;
  ploidies(ploidy, samples, &least, &most);
  int64_t numbers = samples * stored(most, alleles, phased);
  if (least != most || most > 2) {
    numbers = 0;
    for (int64_t i = 0; i < samples; i++) {
      const int32_t z = ploidy[i] & ploidy_mask;
      if (z > 2) return (bg_result){bg_ploidy, i};
      numbers += stored(z, alleles, phased);
    }
  }
  if ((numbers * r.bits + 7) / 8 != r.end - r.data) return (bg_result){bg_size, 0};

  if (alleles == 2 && least == 2 && (r.bits == 8 || r.bits == 16)) {
    const bool over = r.bits == 8 ? diploids_8(ploidy, r.data, samples, phased, out)
                                  : diploids_16(ploidy, r.data, samples, phased, out);
    if (!over) return (bg_result){bg_ok, 0};
  }
  return general(r, ploidy, samples, alleles, phased, out);
}
