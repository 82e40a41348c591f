#include "genotype_decode.h"

#include <math.h>
#include <string.h>

// The thread sanitizer is not ready when clones are resolved.
#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

enum { missing_code = 3 };
static const double tolerance = 1e-3;

static inline bool is_digit(uint8_t c) { return (uint8_t)(c - '0') <= 9; }

static gd_result fault(int32_t status, int64_t column, const uint8_t *text, const uint8_t *cell, const uint8_t *cell_end) {
  return (gd_result){status, column, cell - text, cell_end - cell};
}

static double scaled(uint64_t digits, int64_t scale) {
  static const double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  double value = (double)digits;
  // Beyond these bounds the value is zero in fp32, or far out of range.
  if (scale > 88) scale = 88;
  if (scale < -22) scale = -22;
  for (; scale > 22; scale -= 22) value /= 1e22;
  return scale >= 0 ? value / power[scale] : value * power[-scale];
}

// Reads [+-]digits[.digits][e[+-]digits]; returns the byte behind it, NULL when there is no number.
static const uint8_t *decimal(const uint8_t *p, const uint8_t *end, double *value) {
  bool negative = false;
  if (p < end && (*p == '-' || *p == '+')) negative = *p++ == '-';
  uint64_t digits = 0;
  int64_t scale = 0;
  bool any = false;
  const uint64_t full = 100000000000000000u;
  for (; p < end && is_digit(*p); p++, any = true) {
    if (digits < full) digits = digits * 10 + (*p - '0');
    else scale--;
  }
  if (p < end && *p == '.') {
    for (p++; p < end && is_digit(*p); p++, any = true) {
      if (digits < full) {
        digits = digits * 10 + (*p - '0');
        scale++;
      }
    }
  }
  if (!any) return NULL;
  if (p < end && (*p | 32) == 'e') {
    p++;
    bool down = false;
    if (p < end && (*p == '-' || *p == '+')) down = *p++ == '-';
    if (p == end || !is_digit(*p)) return NULL;
    int64_t exponent = 0;
    for (; p < end && is_digit(*p); p++) {
      if (exponent < 10000) exponent = exponent * 10 + (*p - '0');
    }
    scale += down ? exponent : -exponent;
  }
  *value = negative ? -scaled(digits, scale) : scaled(digits, scale);
  return p;
}

static inline bool dosage(double value, float *out) {
  if (!(value >= -tolerance && value <= 2 + tolerance)) return false;
  *out = value <= 0 ? 0 : value > 2 ? 2 : (float)value;
  return true;
}

static bool is_nan_word(const uint8_t *p, const uint8_t *end) {
  return end - p == 3 && (p[0] | 32) == 'n' && (p[1] | 32) == 'a' && (p[2] | 32) == 'n';
}

// The end of the cell that starts at p.
static inline const uint8_t *cell_end(const uint8_t *p, const uint8_t *end, uint8_t separator) {
  const uint8_t *found = memchr(p, separator, (size_t)(end - p));
  return found ? found : end;
}

// The subfield with this number in the VCF cell at p: its first byte, NULL when the cell ends before it.
static inline const uint8_t *subfield(const uint8_t *p, const uint8_t *end, int64_t field) {
  for (; field > 0; field--) {
    while (p < end && *p != ':' && *p != '\t') p++;
    if (p == end || *p == '\t') return NULL;
    p++;
  }
  return p;
}

// One genotype call at *at; moves *at behind it.
static int32_t call(const uint8_t **at, const uint8_t *end, gd_allele which, uint8_t *out) {
  const uint8_t *p = *at;
  int count = 0, sum = 0;
  bool missing = false, other = false;
  for (;; p++) {
    if (p == end) return gd_not_a_call;
    if (*p == '.') {
      missing = true;
      p++;
    } else if (is_digit(*p)) {
      int64_t allele = 0;
      for (; p < end && is_digit(*p); p++) {
        if (allele < which.alleles) allele = allele * 10 + (*p - '0');
      }
      other |= allele >= which.alleles;
      sum += allele == which.counted;
    } else {
      return gd_not_a_call;
    }
    count++;
    if (p == end || (*p != '/' && *p != '|')) break;
  }
  if (count > 2) return gd_ploidy;
  *at = p;
  if (other) return gd_other_allele;
  *out = missing ? missing_code : (uint8_t)(count == 1 ? 2 * sum : sum);
  return gd_ok;
}

// The dosage of a cell without one: its call where it has one, else missing.
static int32_t dosage_from_call(const uint8_t *cell, const uint8_t *end, gd_allele which, float *out) {
  uint8_t code = missing_code;
  int32_t status = call(&cell, end, which, &code);
  *out = code == missing_code ? NAN : (float)code;
  return status;
}

static inline bool ends_value(const uint8_t *p, const uint8_t *end) {
  return p == end || *p == ',' || *p == ':' || *p == '\t';
}

// A number of a list, NaN where it is missing; returns the byte behind it, NULL when there is neither.
static const uint8_t *element(const uint8_t *p, const uint8_t *end, double *value) {
  const uint8_t *behind = decimal(p, end, value);
  if (behind && ends_value(behind, end)) return behind;
  for (behind = p; !ends_value(behind, end); behind++) {}
  *value = NAN;
  return (behind - p == 1 && *p == '.') || is_nan_word(p, behind) ? behind : NULL;
}

// Expected copies of an allele from probabilities added one by one, in the order 00, 01, 11, 02, 12, 22, … or, haploid, 0, 1, 2, …
typedef struct {
  int64_t count, i, j;
  double diploid, haploid, total;
} expectation;

static inline void add_probability(expectation *e, gd_allele which, double p) {
  e->diploid += p * ((e->i == which.counted) + (e->j == which.counted));
  if (e->count == which.counted) e->haploid = p;
  e->total += p;
  e->count++;
  if (++e->i > e->j) {
    e->i = 0;
    e->j++;
  }
}

static int32_t expected_copies(const expectation *e, gd_allele which, double *out) {
  *out = NAN;
  if (isnan(e->total)) return gd_ok;
  const int64_t alleles = which.alleles;
  if (e->count == alleles * (alleles + 1) / 2) *out = e->diploid;
  else if (e->count == alleles) *out = 2 * e->haploid;
  else return gd_value_count;
  // Rounded to a few digits they add up to one nearly; Phred-scaled ones do not.
  return fabs(e->total - 1) <= 0.1 ? gd_ok : gd_not_probabilities;
}

// What the list at *at says of the counted allele; moves *at behind it.
static int32_t listed_dosage(const uint8_t **at, const uint8_t *end, gd_allele which, bool probabilities, double *out) {
  expectation e = {0};
  double value, wanted = NAN;
  const uint8_t *p = *at;
  for (int64_t count = 1;; count++, p++) {
    p = element(p, end, &value);
    if (!p) return gd_not_a_number;
    if (probabilities) {
      if (value < -tolerance) return gd_not_probabilities;
      add_probability(&e, which, value);
    } else if (count == which.counted) {
      wanted = value;
    }
    if (p < end && *p == ',') continue;
    *at = p;
    if (probabilities) return expected_copies(&e, which, out);
    *out = wanted;
    return count == which.alleles - 1 || (count == 1 && isnan(value)) ? gd_ok : gd_value_count;
  }
}

gd_result gd_vcf_dosages(const uint8_t *text, int64_t length, int64_t field, bool has_calls, gd_allele which,
                         bool probabilities, int64_t columns, float *out) {
  const uint8_t *p = text, *const end = text + length;
  const bool is_single = which.alleles == 2 && !probabilities;
  for (int64_t column = 0;; column++) {
    if (column == columns) return fault(gd_too_many_cells, column, text, p, p);
    // Most cells of imputed data are one digit.
    if (field == 0 && is_single && end - p >= 2 && p[1] == '\t' && (uint8_t)(p[0] - '0') <= 2) {
      out[column] = (float)(p[0] - '0');
      p += 2;
      continue;
    }
    const uint8_t *cell = p;
    p = subfield(p, end, field);
    double value = NAN;
    if (p) {
      const uint8_t *behind = is_single ? decimal(p, end, &value) : NULL;
      if (behind && (behind == end || *behind == '\t' || *behind == ':')) {
        p = behind;
      } else {
        const int32_t status = listed_dosage(&p, end, which, probabilities, &value);
        if (status != gd_ok) return fault(status, column, text, cell, cell_end(cell, end, '\t'));
      }
    }
    if (isnan(value)) {
      out[column] = NAN;
      int32_t status = has_calls ? dosage_from_call(cell, end, which, &out[column]) : gd_ok;
      if (status != gd_ok) return fault(status, column, text, cell, cell_end(cell, end, '\t'));
    } else if (!dosage(value, &out[column])) {
      return fault(gd_out_of_range, column, text, cell, cell_end(cell, end, '\t'));
    }
    if (!p || (p < end && *p == ':')) p = cell_end(cell, end, '\t');
    if (p == end) {
      if (column + 1 < columns) return fault(gd_too_few_cells, column + 1, text, end, end);
      return (gd_result){0};
    }
    p++;
  }
}

gd_result gd_vcf_calls(const uint8_t *text, int64_t length, int64_t field, gd_allele which, int64_t columns, uint8_t *out) {
  const uint8_t *p = text, *const end = text + length;
  const uint8_t digits = (uint8_t)(which.alleles < 10 ? which.alleles : 10);
  for (int64_t column = 0;; column++) {
    if (column == columns) return fault(gd_too_many_cells, column, text, p, p);
    const uint8_t *cell = p;
    p = subfield(p, end, field);
    if (!p) {
      out[column] = missing_code;
      p = cell_end(cell, end, '\t');
    } else {
      if (end - p >= 3 && (p[1] == '|' || p[1] == '/') && (uint8_t)(p[0] - '0') < digits && (uint8_t)(p[2] - '0') < digits &&
          (end - p == 3 || !(is_digit(p[3]) || p[3] == '/' || p[3] == '|'))) {
        out[column] = (uint8_t)((p[0] - '0' == which.counted) + (p[2] - '0' == which.counted));
        p += 3;
      } else {
        int32_t status = call(&p, end, which, &out[column]);
        if (status != gd_ok) return fault(status, column, text, cell, cell_end(cell, end, '\t'));
      }
      if (p < end && *p == ':') p = cell_end(p, end, '\t');
      if (p < end && *p != '\t') return fault(gd_not_a_call, column, text, cell, cell_end(cell, end, '\t'));
    }
    if (p == end) {
      if (column + 1 < columns) return fault(gd_too_few_cells, column + 1, text, end, end);
      return (gd_result){0};
    }
    p++;
  }
}

static inline bool is_blank(uint8_t c) { return c == ' ' || c == '\t'; }

static inline bool separates(uint8_t c, uint8_t separator) { return separator == ' ' ? is_blank(c) : c == separator; }

static bool is_missing_word(const uint8_t *p, const uint8_t *end) {
  switch (end - p) {
  case 0: return true;
  case 1: return *p == '.';
  case 2: return p[0] == 'N' && p[1] == 'A';
  default: return is_nan_word(p, end);
  }
}

gd_result gd_matrix_row(const uint8_t *text, int64_t length, uint8_t separator, int64_t columns, float *out) {
  const uint8_t *p = text, *end = text + length;
  if (separator == ' ') {
    while (end > p && is_blank(end[-1])) end--;
    while (p < end && is_blank(*p)) p++;
    if (p == end) return fault(gd_too_few_cells, 0, text, end, end);
  }
  for (int64_t column = 0;; column++) {
    if (column == columns) return fault(gd_too_many_cells, column, text, p, p);
    if (end - p >= 2 && p[1] == separator && (uint8_t)(p[0] - '0') <= 2) {
      out[column] = (float)(p[0] - '0');
      p += 1;
    } else {
      const uint8_t *cell = p, *last = p;
      while (last < end && !separates(*last, separator)) last++;
      p = last;
      while (cell < last && *cell == ' ') cell++;
      while (last > cell && last[-1] == ' ') last--;
      double value;
      if (decimal(cell, last, &value) == last && cell < last) {
        if (!dosage(value, &out[column])) return fault(gd_out_of_range, column, text, cell, last);
      } else if (is_missing_word(cell, last)) {
        out[column] = NAN;
      } else {
        return fault(gd_not_a_number, column, text, cell, last);
      }
    }
    if (p == end) {
      if (column + 1 < columns) return fault(gd_too_few_cells, column + 1, text, end, end);
      return (gd_result){0};
    }
    p++;
    if (separator == ' ') {
      while (is_blank(*p)) p++;
    }
  }
}

int32_t gd_bcf_calls(const int32_t *alleles, int64_t ploidy, gd_allele which, int64_t columns, uint8_t *out) {
  const int32_t vector_end = INT32_MIN + 1;  // BCF 2.2, §6.3.3: the value is (allele + 1) << 1 | phased, allele + 1 = 0 missing
  for (int64_t column = 0; column < columns; column++, alleles += ploidy) {
    int count = 0, sum = 0;
    bool missing = false;
    for (int64_t k = 0; k < ploidy && alleles[k] != vector_end; k++, count++) {
      int32_t allele = (alleles[k] >> 1) - 1;
      if (allele >= which.alleles) return gd_other_allele;
      if (allele < 0) missing = true;
      else sum += allele == which.counted;
    }
    out[column] = missing || count == 0 ? missing_code : (uint8_t)(count == 1 ? 2 * sum : sum);
  }
  return gd_ok;
}

gd_result gd_bcf_dosages(const float *values, int64_t width, gd_allele which, bool probabilities, int64_t columns, float *out) {
  const uint32_t vector_end = 0x7F800002;  // BCF 2.2, §6.3.3: fewer values than the widest sample's
  if (!probabilities && width != which.alleles - 1) return (gd_result){gd_value_count, 0, 0, 0};
  for (int64_t column = 0; column < columns; column++, values += width) {
    double value = NAN;
    if (!probabilities) {
      value = (double)values[which.counted - 1];
    } else {
      expectation e = {0};
      int32_t status = gd_ok;
      for (int64_t k = 0; k < width; k++) {
        uint32_t bits;
        memcpy(&bits, &values[k], sizeof bits);
        if (bits == vector_end) break;
        if ((double)values[k] < -tolerance) status = gd_not_probabilities;
        add_probability(&e, which, (double)values[k]);
      }
      if (status == gd_ok && e.count > 0) status = expected_copies(&e, which, &value);
      if (status != gd_ok) return (gd_result){status, column, 0, 0};
    }
    if (isnan(value)) out[column] = NAN;
    else if (!dosage(value, &out[column])) return (gd_result){gd_out_of_range, column, 0, 0};
  }
  return (gd_result){0};
}

void gd_fill_from_calls(float *values, const uint8_t *calls, int64_t columns) {
  for (int64_t column = 0; column < columns; column++) {
    if (isnan(values[column]) && calls[column] != missing_code) values[column] = calls[column];
  }
}

CLONES void gd_plink_codes(const uint8_t *restrict packed, int64_t samples, uint8_t *restrict out) {
  for (int64_t i = 0; i < samples / 4; i++) {
    uint32_t x = packed[i];
    // The high bit of a code is the complement of the file's, the low bit the exclusive or of its two.
    x = (~x & 0xaa) | ((x ^ (x >> 1)) & 0x55);
    // Four pairs of bits to four bytes, the lowest first.
    x = (x | x << 12) & 0x000f000f;
    x = (x | x << 6) & 0x03030303;
    memcpy(out + 4 * i, &x, 4);
  }
  for (int64_t s = samples & ~(int64_t)3; s < samples; s++) {
    static const uint8_t code[] = {2, 3, 1, 0};
    out[s] = code[(packed[s / 4] >> (2 * (s % 4))) & 3];
  }
}

void gd_gather_codes(const uint8_t *in, const int32_t *index, int64_t count, uint8_t *out) {
  for (int64_t k = 0; k < count; k++) out[k] = in[index[k]];
}

void gd_gather_dosages(const float *in, const int32_t *index, int64_t count, float *out) {
  for (int64_t k = 0; k < count; k++) out[k] = in[index[k]];
}
