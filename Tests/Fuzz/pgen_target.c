// Variant records of PGEN. An input is a type, the number of samples (3 bytes), of ALT alleles (3 bytes), and a record.
#include "fuzz.h"
#include "pgen_decode.h"

#include <stdlib.h>
#include <string.h>

enum { head = 7, most_samples = 70000 };

// MARK: decoding

static void require(bool holds) {
  if (!holds) abort();
}

static bool decode(const uint8_t *input, int64_t length) {
  if (length < head) return false;
  const int64_t samples = 1 + (input[1] | input[2] << 8 | input[3] << 16) % most_samples;
  const int64_t alternates = 1 + (input[4] | input[5] << 8 | input[6] << 16);
  const pg_record record = {input + head, length - head, samples, input[0]};
  const size_t n = (size_t)samples;
  uint8_t *anchor = malloc(n), *calls = malloc(n), *row = malloc(n);
  float *dosages = malloc(n * sizeof(float));
  pg_other_call *others = malloc(n * sizeof(pg_other_call));
  for (size_t s = 0; s < n; s++) anchor[s] = (uint8_t)(s * s % 7 & 3);

  int64_t used = 0, count = 0;
  int32_t status = pg_calls(&record, anchor, calls, &used);
  if (status == pg_ok) {
    require(used >= 0 && used <= record.length);
    for (size_t s = 0; s < n; s++) require(calls[s] <= 3);
    if (alternates == 1) {
      status = pg_dosages(&record, used, calls, dosages);
      for (size_t s = 0; status == pg_ok && s < n; s++) require(dosages[s] != dosages[s] || (dosages[s] >= 0 && dosages[s] <= 2));
    } else {
      status = pg_other_calls(&record, used, alternates, calls, others, &count);
      require(count >= 0 && count <= samples);
      for (uint32_t allele = 1; status == pg_ok && allele <= 3 && allele <= alternates; allele++) {
        pg_allele_calls(calls, samples, others, count, allele, row);
        for (size_t s = 0; s < n; s++) require(row[s] <= 3 && (row[s] == 3) == (calls[s] == 3));
      }
    }
  }
  free(anchor), free(calls), free(row), free(dosages), free(others);
  return status == pg_ok;
}

// MARK: good inputs

typedef struct {
  uint8_t *at, *end;
} writer;

static void put(writer *w, uint64_t value, int64_t width) {
  for (int64_t k = 0; k < width; k++) {
    require(w->at < w->end);
    *w->at++ = (uint8_t)(value >> (8 * k));
  }
}

static void put_number(writer *w, uint64_t value) {
  for (; value > 127; value >>= 7) put(w, (value & 127) | 128, 1);
  put(w, value, 1);
}

// `count` values of `bits` bits, drawn below `limit`.
static void put_packed(writer *w, fuzz_random *r, int64_t count, int64_t bits, int64_t limit) {
  if (bits >= 8) {
    for (int64_t k = 0; k < count; k++) put(w, (uint64_t)fuzz_below(r, limit), bits / 8);
    return;
  }
  uint8_t byte = 0;
  int64_t filled = 0;
  for (int64_t k = 0; k < count; k++) {
    byte |= (uint8_t)(fuzz_below(r, limit) << filled);
    filled += bits;
    if (filled == 8) put(w, byte, 1), byte = 0, filled = 0;
  }
  if (filled > 0) put(w, byte, 1);
}

static void put_list(writer *w, fuzz_random *r, int64_t samples, const uint32_t *ids, int64_t count, const uint8_t *values) {
  put_number(w, (uint64_t)count);
  const int64_t width = samples < 1 << 8 ? 1 : samples < 1 << 16 ? 2 : 3;
  for (int64_t k = 0; k < count; k += 64) put(w, ids[k], width);
  uint8_t *sizes = w->at;
  const int64_t groups = (count + 63) / 64;
  if (groups > 1) put_packed(w, r, groups - 1, 8, 1);
  for (int64_t k = 0; values && k < count; k += 4) {
    uint8_t byte = 0;
    for (int64_t j = k; j < k + 4 && j < count; j++) byte |= (uint8_t)(values[ids[j]] << (2 * (j - k)));
    put(w, byte, 1);
  }
  for (int64_t group = 0; group < groups; group++) {
    const uint8_t *start = w->at;
    for (int64_t k = 64 * group + 1; k < 64 * group + 64 && k < count; k++) put_number(w, ids[k] - ids[k - 1]);
    if (group + 1 < groups) sizes[group] = (uint8_t)(w->at - start - 63);
  }
}

// The samples (of one category only, unless it is negative) that a coin of `odds` to 1 against picks.
static int64_t pick(fuzz_random *r, const uint8_t *calls, int64_t samples, int category, int64_t odds, uint32_t *ids) {
  int64_t count = 0;
  for (int64_t s = 0; s < samples; s++)
    if ((category < 0 || calls[s] == category) && fuzz_below(r, odds) == 0) ids[count++] = (uint32_t)s;
  return count;
}

static int64_t width_of(int64_t values) {
  return values <= 1 ? 0 : values <= 2 ? 1 : values <= 4 ? 2 : values <= 16 ? 4 : values <= 256 ? 8 : values <= 65536 ? 16 : 24;
}

static int64_t good(fuzz_random *r, uint8_t *input, int64_t capacity) {
  static const int64_t edges[] = {1, 3, 4, 64, 65, 255, 256, 257, 65536};
  const int64_t samples = fuzz_below(r, 64) == 0 ? edges[fuzz_below(r, 9)] : 1 + fuzz_below(r, 400);
  static const int64_t alleles[] = {2, 3, 4, 5, 6, 17, 18, 257, 258, 65537, 65538};
  const int64_t alternates = fuzz_below(r, 2) ? 1 : alleles[fuzz_below(r, 11)];
  static const int32_t tracks[] = {0, 1, 2, 3, 4, 6, 7};
  const int32_t track = tracks[fuzz_below(r, 7)];
  const bool has_others = alternates > 1 && fuzz_below(r, 8) > 0;
  const int32_t type =
      track | (has_others ? 8 : 0) | (alternates == 1 ? (int32_t)fuzz_below(r, 16) << 4 : 0);
  writer w = {input, input + capacity};
  put(&w, (uint64_t)type, 1);
  put(&w, (uint64_t)samples - 1, 3);
  put(&w, (uint64_t)alternates - 1, 3);

  // Samples that differ from what the track starts from.
  const int64_t odds = samples > 1000 ? 50 : 1 + fuzz_below(r, 30);
  uint8_t *calls = malloc((size_t)samples);
  uint32_t *ids = malloc((size_t)samples * sizeof(uint32_t));
  const uint8_t low = (uint8_t)fuzz_below(r, 3), high = (uint8_t)(low + 1 + fuzz_below(r, 3 - low));
  for (int64_t s = 0; s < samples; s++)
    calls[s] = (uint8_t)(track == 0   ? fuzz_below(r, 4)
                         : track == 1 ? (fuzz_below(r, 2) ? low : high)
                         : track < 4  ? (s * s % 7 & 3)
                                      : track & 3);
  if (track == 0) {
    for (int64_t s = 0; s < samples; s += 4) {
      uint8_t byte = 0;
      for (int64_t k = s; k < s + 4 && k < samples; k++) byte |= (uint8_t)(calls[k] << (2 * (k - s)));
      put(&w, byte, 1);
    }
  } else {
    if (track == 1) {
      put(&w, (uint64_t)(4 * low + high - low), 1);
      for (int64_t s = 0; s < samples; s += 8) {
        uint8_t byte = 0;
        for (int64_t k = s; k < s + 8 && k < samples; k++) byte |= (uint8_t)((calls[k] == high) << (k - s));
        put(&w, byte, 1);
      }
    }
    const int64_t count = pick(r, calls, samples, -1, odds, ids);
    for (int64_t k = 0; k < count; k++) calls[ids[k]] = (uint8_t)fuzz_below(r, 4);
    put_list(&w, r, samples, ids, count, calls);
    if (track == 3)
      for (int64_t s = 0; s < samples; s++)
        if (calls[s] % 2 == 0) calls[s] = 2 - calls[s];
  }

  if (has_others) {
    uint8_t *format = w.at;
    put(&w, 0, 1);
    for (int category = 1; category <= 2; category++) {
      const int64_t kind = fuzz_below(r, 3) == 2 ? 15 : fuzz_below(r, 2);
      *format |= (uint8_t)(category == 1 ? kind : kind << 4);
      if (kind == 15) continue;
      const int64_t count = pick(r, calls, samples, category, 2, ids);
      if (kind == 1) {
        put_list(&w, r, samples, ids, count, NULL);
      } else {
        uint8_t byte = 0;
        int64_t k = 0;
        for (int64_t s = 0, next = 0; s < samples; s++) {
          if (calls[s] != category) continue;
          const bool picked = next < count && ids[next] == s;
          next += picked;
          byte |= (uint8_t)(picked << (k++ % 8));
          if (k % 8 == 0) put(&w, byte, 1), byte = 0;
        }
        if (k % 8 > 0) put(&w, byte, 1);
      }
      if (category == 1) {
        if (alternates > 2) put_packed(&w, r, count, width_of(alternates - 1), alternates - 1);
      } else if (alternates == 2) {
        put_packed(&w, r, count, 1, 2);
      } else {
        // Twice the first ALT: pairs in order.
        put_packed(&w, r, 2 * count, width_of(alternates), 1);
      }
    }
  }

  if (alternates == 1 && type & 0x60) {
    if (type & 0x10) {
      int64_t ones = 0;
      for (int64_t s = 0; s < samples; s++) ones += calls[s] == 1;
      // All phased, or none.
      const bool all = fuzz_below(r, 2);
      for (int64_t k = 0; k < ones + 1; k += 8) put(&w, k == 0 && !all ? 1 : 0, 1);
    }
    int64_t count = samples;
    if ((type & 0x60) == 0x20) {
      count = pick(r, calls, samples, -1, odds, ids);
      put_list(&w, r, samples, ids, count, NULL);
    } else if ((type & 0x60) == 0x60) {
      count = 0;
      for (int64_t s = 0; s < samples; s += 8) {
        const int64_t bits = samples - s < 8 ? samples - s : 8;
        const uint8_t byte = (uint8_t)fuzz_below(r, 1 << bits);
        count += __builtin_popcount(byte);
        put(&w, byte, 1);
      }
    }
    put_packed(&w, r, count, 16, (1 << 15) + 1);
  }
  free(calls), free(ids);
  return w.at - input;
}

const fuzz_target pgen_target = {"pgen-record", good, decode};
