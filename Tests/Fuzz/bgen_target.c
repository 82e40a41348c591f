// Probability blocks of BGEN, layout 2. An input is the number of samples and of alleles that the file claims (2 bytes, 1 byte), and a block.
#include "bgen_decode.h"
#include "fuzz.h"

#include <stdlib.h>

enum { head = 3, most_samples = 200 };

static bool decode(const uint8_t *input, int64_t length) {
  if (length < head) return false;
  const int64_t samples = (input[0] | input[1] << 8) % 1024;
  const int32_t alleles = input[2];
  const size_t count = (size_t)samples * (size_t)(alleles > 1 ? alleles - 1 : 0);
  float *dosages = malloc(count * sizeof(float) + 1);
  const bg_result result = bg_dosages(input + head, length - head, samples, alleles, dosages);
  for (size_t k = 0; result.status == bg_ok && k < count; k++) {
    // NaN is missing.
    if (dosages[k] == dosages[k] && !(dosages[k] >= 0 && dosages[k] <= 2)) abort();
  }
  free(dosages);
  return result.status == bg_ok;
}

// Bits, the least first.
typedef struct {
  uint8_t *at;
  uint64_t pending;
  int held;
} bit_writer;

static void put(bit_writer *w, uint64_t value, int bits) {
  w->pending |= value << w->held;
  for (w->held += bits; w->held >= 8; w->held -= 8, w->pending >>= 8) *w->at++ = (uint8_t)w->pending;
}

static int64_t good(fuzz_random *r, uint8_t *input, int64_t capacity) {
  const int64_t samples = fuzz_below(r, 8) ? fuzz_below(r, 20) : fuzz_below(r, most_samples);
  const int64_t alleles = fuzz_below(r, 2) ? 2 : 2 + fuzz_below(r, 4);
  const int bits = fuzz_below(r, 2) ? 8 * (1 + (int)fuzz_below(r, 2)) : 1 + (int)fuzz_below(r, 32);
  const bool phased = fuzz_below(r, 2), mixed = fuzz_below(r, 3) == 0;
  bit_writer w = {input, 0, 0};
  put(&w, (uint64_t)samples, 16), put(&w, (uint64_t)alleles, 8);
  put(&w, (uint64_t)samples, 32), put(&w, (uint64_t)alleles, 16);
  put(&w, mixed ? 0 : 2, 8), put(&w, 2, 8);
  uint8_t *ploidies = w.at;
  for (int64_t s = 0; s < samples; s++) put(&w, (uint64_t)((mixed ? fuzz_below(r, 3) : 2) | (fuzz_below(r, 9) ? 0 : 0x80)), 8);
  put(&w, phased, 8), put(&w, (uint64_t)bits, 8);
  for (int64_t s = 0; s < samples; s++) {
    const int64_t ploidy = ploidies[s] & 0x3F;
    // Of a haplotype, or of a genotype: the last probability is left out.
    const int64_t one = alleles - 1, two = alleles * (alleles + 1) / 2 - 1;
    const int64_t groups = phased ? ploidy : ploidy > 0, size = phased || ploidy == 1 ? one : two;
    for (int64_t g = 0; g < groups; g++) {
      uint64_t left = (UINT64_C(1) << bits) - 1;
      for (int64_t k = 0; k < size; k++) {
        const uint64_t value = ploidies[s] & 0x80 ? 0 : (uint64_t)fuzz_below(r, (int64_t)left + 1);
        left -= value;
        put(&w, value, bits);
      }
    }
  }
  if (w.held > 0) put(&w, 0, 8 - w.held);
  return w.at - input <= capacity ? w.at - input : 0;
}

const fuzz_target bgen_target = {"bgen-block", good, decode};
