#include "pgen_decode.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

// The thread sanitizer is not ready when clones are resolved.
#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif
#define INLINE static inline __attribute__((always_inline))

enum { missing_call = 3 };

// MARK: whole rows, by vectors

// Four pairs of bits of a byte to four bytes, the lowest first.
CLONES static void expand_pairs(const uint8_t *restrict packed, int64_t samples, uint8_t *restrict calls) {
  for (int64_t i = 0; i < samples / 4; i++) {
    uint32_t x = packed[i];
    x = (x | x << 12) & 0x000f000f;
    x = (x | x << 6) & 0x03030303;
    memcpy(calls + 4 * i, &x, 4);
  }
  for (int64_t s = samples & ~(int64_t)3; s < samples; s++) calls[s] = (packed[s / 4] >> (2 * (s % 4))) & 3;
}

// Eight bits of a byte to eight bytes, `clear` or `set`.
CLONES static void expand_bits(const uint8_t *restrict bits, int64_t samples, uint8_t clear, uint8_t set,
                               uint8_t *restrict calls) {
  const uint64_t ones = 0x0101010101010101;
  const uint64_t base = clear * ones, change = (uint64_t)(clear ^ set) * ones;
  for (int64_t i = 0; i < samples / 8; i++) {
    uint64_t x = bits[i];
    x = (x | x << 28) & 0x0000000f0000000f;
    x = (x | x << 14) & 0x0003000300030003;
    x = (x | x << 7) & ones;
    x = base ^ (((x << 8) - x) & change);
    memcpy(calls + 8 * i, &x, 8);
  }
  for (int64_t s = samples & ~(int64_t)7; s < samples; s++) calls[s] = bits[s / 8] >> (s % 8) & 1 ? set : clear;
}

// Exchanges 0 and 2.
CLONES static void invert(uint8_t *calls, int64_t samples) {
  for (int64_t s = 0; s < samples; s++) calls[s] ^= (uint8_t)((~calls[s] & 1) << 1);
}

CLONES static int64_t count_calls(const uint8_t *calls, int64_t samples, uint8_t wanted) {
  int64_t count = 0;
  for (int64_t s = 0; s < samples; s++) count += calls[s] == wanted;
  return count;
}

CLONES static void calls_to_dosages(const uint8_t *restrict calls, int64_t samples, float *restrict dosages) {
  for (int64_t s = 0; s < samples; s++) dosages[s] = calls[s] == missing_call ? NAN : (float)calls[s];
}

static const uint16_t two_copies = 1 << 15, no_dosage = UINT16_MAX;

INLINE uint16_t two_bytes(const uint8_t *p) {
  uint16_t value;
  memcpy(&value, p, 2);
  return value;
}

// One value per sample. Returns whether all are in range.
CLONES static bool all_dosages(const uint8_t *restrict values, int64_t samples, float *restrict dosages) {
  uint32_t bad = 0;
  for (int64_t s = 0; s < samples; s++) {
    const uint16_t value = two_bytes(values + 2 * s);
    bad |= (value > two_copies) & (value != no_dosage);
    dosages[s] = value == no_dosage ? NAN : (float)value * 0x1p-14f;
  }
  return !bad;
}

// MARK: reading with an end

typedef struct {
  const uint8_t *at, *end;
} cursor;

INLINE int64_t bytes_for(int64_t count, int64_t bits) { return (count * bits + 7) / 8; }

// The next `count` bytes, NULL when there are fewer.
INLINE const uint8_t *take(cursor *c, int64_t count) {
  if (c->end - c->at < count) return NULL;
  const uint8_t *taken = c->at;
  c->at += count;
  return taken;
}

// A base-128 number below 2^35; false at the end of the record or when it is longer than that.
INLINE bool number(cursor *c, uint64_t *value) {
  uint64_t sum = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (c->at == c->end) return false;
    const uint8_t byte = *c->at++;
    sum |= (uint64_t)(byte & 127) << shift;
    if (byte < 128) {
      *value = sum;
      return true;
    }
  }
  return false;
}

// A value of 1, 2, 4, 8, 16 or 24 bits from a packed array.
INLINE uint32_t packed_value(const uint8_t *values, int64_t index, int64_t bits) {
  if (bits < 8) return values[index * bits / 8] >> (index * bits % 8) & ((1u << bits) - 1);
  uint32_t value = 0;
  for (int64_t k = 0; k < bits / 8; k++) value |= (uint32_t)values[index * (bits / 8) + k] << (8 * k);
  return value;
}

// MARK: difference lists (§2.3.1)

// Called with the number of the element, its sample and, where the list has them, its value. False refuses the list.
typedef bool visitor(void *context, int64_t element, int64_t sample, uint32_t value);

// Walks a list of samples in groups of 64: the first sample of each group, the size of each group but the last, values, and per group
// the distances from one sample to the next.
INLINE int32_t walk_list(cursor *c, int64_t samples, bool has_values, visitor *visit, void *context, int64_t *count) {
  uint64_t length;
  if (!number(c, &length)) return pg_short;
  if (length > (uint64_t)samples) return pg_list;
  *count = (int64_t)length;
  if (length == 0) return pg_ok;
  const int64_t groups = (*count + 63) / 64;
  // Bytes that hold the number of samples itself: so PLINK 2 writes, where the specification gives 2^8, 2^16 and 2^24 samples one
  // byte less.
  const int64_t width = samples < 1 << 8 ? 8 : samples < 1 << 16 ? 16 : samples < 1 << 24 ? 24 : 32;
  const uint8_t *firsts = take(c, groups * width / 8);
  const uint8_t *sizes = firsts ? take(c, groups - 1) : NULL;
  const uint8_t *values = sizes ? take(c, has_values ? bytes_for(*count, 2) : 0) : NULL;
  if (!values) return pg_short;
  int64_t sample = -1;
  for (int64_t group = 0; group < groups; group++) {
    const int64_t first = packed_value(firsts, group, width);
    if (first <= sample || first >= samples) return pg_list;
    sample = first;
    const uint8_t *start = c->at;
    const int64_t last = group + 1 < groups ? 64 * group + 64 : *count;
    for (int64_t element = 64 * group;;) {
      if (!visit(context, element, sample, has_values ? packed_value(values, element, 2) : 0)) return pg_list;
      if (++element == last) break;
      uint64_t distance;
      if (!number(c, &distance)) return pg_short;
      // At least 1, and at most to the last sample.
      if (distance - 1 >= (uint64_t)(samples - 1 - sample)) return pg_list;
      sample += (int64_t)distance;
    }
    if (group + 1 < groups && c->at - start != sizes[group] + 63) return pg_list;
  }
  return pg_ok;
}

static bool set_call(void *calls, int64_t element, int64_t sample, uint32_t value) {
  (void)element;
  ((uint8_t *)calls)[sample] = (uint8_t)value;
  return true;
}

static int32_t patch_calls(cursor *c, int64_t samples, uint8_t *calls) {
  int64_t count;
  return walk_list(c, samples, true, set_call, calls, &count);
}

// MARK: hard calls (§2.3.2)

static int32_t read_calls(cursor *c, int32_t type, int64_t samples, const uint8_t *anchor, uint8_t *calls) {
  switch (type & 7) {
  case 0: {
    const uint8_t *packed = take(c, bytes_for(samples, 2));
    if (!packed) return pg_short;
    expand_pairs(packed, samples, calls);
    return pg_ok;
  }
  case 1: {
    const uint8_t *pair = take(c, 1);
    const uint8_t *bits = pair ? take(c, bytes_for(samples, 1)) : NULL;
    if (!bits) return pg_short;
    // The lower of the two common categories times four, plus the distance to the higher.
    const uint8_t low = *pair >> 2, high = low + (*pair & 3);
    if (high == low || high > 3) return pg_undefined;
    expand_bits(bits, samples, low, high, calls);
    return patch_calls(c, samples, calls);
  }
  case 2:
  case 3: {
    memcpy(calls, anchor, (size_t)samples);
    const int32_t status = patch_calls(c, samples, calls);
    if (status == pg_ok && (type & 1)) invert(calls, samples);
    return status;
  }
  case 5: return pg_undefined;
  default:
    memset(calls, type & 3, (size_t)samples);
    return patch_calls(c, samples, calls);
  }
}

int32_t pg_calls(const pg_record *record, const uint8_t *anchor, uint8_t *calls, int64_t *used) {
  cursor c = {record->bytes, record->bytes + record->length};
  const int32_t status = read_calls(&c, record->type, record->samples, anchor, calls);
  *used = c.at - record->bytes;
  return status;
}

// MARK: dosages (§2.3.5)

// Passes over the phase of heterozygous calls (§2.3.4): a bit that says whether a bit per such call follows that says whether it is phased,
// then a bit per phased call.
static int32_t skip_phase(cursor *c, const uint8_t *calls, int64_t samples) {
  const int64_t bits = 1 + count_calls(calls, samples, 1);
  const uint8_t *first = take(c, bytes_for(bits, 1));
  if (!first) return pg_short;
  if (!(*first & 1)) return pg_ok;
  int64_t phased = -1;
  for (int64_t k = 0; k < bits / 8; k++) phased += __builtin_popcount(first[k]);
  if (bits % 8) phased += __builtin_popcount(first[bits / 8] & ((1u << bits % 8) - 1));
  return take(c, bytes_for(phased, 1)) ? pg_ok : pg_short;
}

typedef struct {
  const uint8_t *values;
  float *dosages;
} dosage_target;

static inline bool set_dosage(void *context, int64_t element, int64_t sample, uint32_t ignored) {
  (void)ignored;
  const dosage_target *target = context;
  const uint16_t value = two_bytes(target->values + 2 * element);
  target->dosages[sample] = (float)value * 0x1p-14f;
  return value <= two_copies;
}

static bool pass(void *context, int64_t element, int64_t sample, uint32_t value) {
  (void)context, (void)element, (void)sample, (void)value;
  return true;
}

static int32_t listed_dosages(cursor *c, int64_t samples, float *dosages) {
  const cursor start = *c;
  int64_t count;
  int32_t status = walk_list(c, samples, false, pass, NULL, &count);
  if (status != pg_ok) return status;
  dosage_target target = {take(c, 2 * count), dosages};
  if (!target.values) return pg_short;
  cursor again = start;
  // The list is good: only a value can be refused.
  return walk_list(&again, samples, false, set_dosage, &target, &count) == pg_ok ? pg_ok : pg_dosage;
}

static int32_t flagged_dosages(cursor *c, int64_t samples, float *dosages) {
  const uint8_t *flags = take(c, bytes_for(samples, 1));
  if (!flags) return pg_short;
  for (int64_t s = 0; s < samples; s++) {
    if (!(flags[s / 8] >> (s % 8) & 1)) continue;
    const uint8_t *value = take(c, 2);
    if (!value) return pg_short;
    dosage_target target = {value, dosages};
    if (!set_dosage(&target, 0, s, 0)) return pg_dosage;
  }
  return pg_ok;
}

int32_t pg_dosages(const pg_record *record, int64_t used, const uint8_t *calls, float *dosages) {
  const int64_t samples = record->samples;
  cursor c = {record->bytes + used, record->bytes + record->length};
  const int32_t kind = record->type & 0x60;
  if (kind != 0x40) calls_to_dosages(calls, samples, dosages);
  if (kind == 0) return pg_ok;
  if (record->type & 0x10) {
    const int32_t status = skip_phase(&c, calls, samples);
    if (status != pg_ok) return status;
  }
  if (kind == 0x20) return listed_dosages(&c, samples, dosages);
  if (kind == 0x60) return flagged_dosages(&c, samples, dosages);
  const uint8_t *values = take(&c, 2 * samples);
  if (!values) return pg_short;
  return all_dosages(values, samples, dosages) ? pg_ok : pg_dosage;
}

// MARK: several ALT alleles (§2.3.3)

typedef struct {
  const uint8_t *calls;
  pg_other_call *others;
  int64_t count;
  uint8_t category;
} other_samples;

static bool add_sample(void *context, int64_t element, int64_t sample, uint32_t value) {
  (void)element, (void)value;
  other_samples *found = context;
  if (found->calls[sample] != found->category) return false;
  found->others[found->count++].sample = (uint32_t)sample;
  return true;
}

// The samples of a patch set: a bit for each call of the category, or a list.
static int32_t read_samples(cursor *c, int32_t format, int64_t samples, other_samples *found) {
  if (format == 15) return pg_ok;
  if (format > 1) return pg_undefined;
  if (format == 1) {
    int64_t count;
    return walk_list(c, samples, false, add_sample, found, &count);
  }
  const uint8_t *bits = take(c, bytes_for(count_calls(found->calls, samples, found->category), 1));
  if (!bits) return pg_short;
  for (int64_t s = 0, k = 0; s < samples; s++) {
    if (found->calls[s] != found->category) continue;
    if (bits[k / 8] >> (k % 8) & 1) add_sample(found, 0, s, 0);
    k++;
  }
  return pg_ok;
}

static int64_t width_of(int64_t values) {
  return values <= 1 ? 0 : values <= 2 ? 1 : values <= 4 ? 2 : values <= 16 ? 4 : values <= 256 ? 8 : values <= 65536 ? 16 : 24;
}

int32_t pg_other_calls(const pg_record *record, int64_t used, int64_t alternates, const uint8_t *calls, pg_other_call *others,
                       int64_t *count) {
  *count = 0;
  cursor c = {record->bytes + used, record->bytes + record->length};
  if (!pg_has_other_alleles(record->type)) return pg_ok;
  const uint8_t *format = take(&c, 1);
  if (!format) return pg_short;

  // REF and an ALT from 2 on.
  other_samples found = {calls, others, 0, 1};
  int32_t status = read_samples(&c, *format & 15, record->samples, &found);
  if (status != pg_ok) return status;
  const int64_t single = width_of(alternates - 1);
  const uint8_t *values = take(&c, bytes_for(found.count, single));
  if (!values) return pg_short;
  for (int64_t k = 0; k < found.count; k++) {
    const uint32_t allele = 2 + (single == 0 ? 0 : packed_value(values, k, single));
    if (allele > alternates) return pg_allele;
    others[k].first = 0;
    others[k].second = allele;
  }

  // Two ALTs, not both of them the first; of two ALTs in all, a bit says whether both are the second.
  const int64_t start = found.count;
  found.category = 2;
  status = read_samples(&c, *format >> 4, record->samples, &found);
  if (status != pg_ok) return status;
  const int64_t width = width_of(alternates), each = alternates == 2 ? 1 : 2;
  values = take(&c, bytes_for(found.count - start, each * width));
  if (!values) return pg_short;
  for (int64_t k = start; k < found.count; k++) {
    const uint32_t low = packed_value(values, each * (k - start), width);
    others[k].first = 1 + low;
    others[k].second = each == 1 ? 2 : 1 + packed_value(values, 2 * (k - start) + 1, width);
    if (others[k].first > others[k].second || others[k].second > alternates) return pg_allele;
  }
  *count = found.count;
  return pg_ok;
}

CLONES static void missing_only(const uint8_t *restrict calls, int64_t samples, uint8_t *restrict out) {
  for (int64_t s = 0; s < samples; s++) out[s] = calls[s] == missing_call ? missing_call : 0;
}

void pg_allele_calls(const uint8_t *calls, int64_t samples, const pg_other_call *others, int64_t count, uint32_t allele,
                     uint8_t *out) {
  if (allele == 1) memcpy(out, calls, (size_t)samples);
  else missing_only(calls, samples, out);
  for (int64_t k = 0; k < count; k++) {
    out[others[k].sample] = (uint8_t)((others[k].first == allele) + (others[k].second == allele));
  }
}
