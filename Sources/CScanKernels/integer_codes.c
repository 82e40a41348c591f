#include "integer_codes.h"
#include <math.h>
#include <string.h>

#if defined(__x86_64__) && !(defined(__has_feature) && __has_feature(thread_sanitizer))
#define CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

typedef float v8f __attribute__((vector_size(32)));
typedef double v8d __attribute__((vector_size(64)));
typedef int32_t v8i __attribute__((vector_size(32)));
typedef int64_t v8l __attribute__((vector_size(64)));
typedef uint8_t v8b __attribute__((vector_size(8)));

#define INLINE static inline __attribute__((always_inline))

CLONES void sk_pattern_lengths(const float *lost, const float *deletion, const float *factor, int64_t patterns,
                               float squared, float growth, float offset, float *lower, int64_t stride) {
  // Sixteen at a time in a vector, then into their rows.
  for (int64_t p = 0; p < patterns; p += 16) {
    const int64_t count = patterns - p < 16 ? patterns - p : 16;
    float length[16];
    for (int64_t k = 0; k < count; k++) {
      const float f = sqrtf(lost[p + k]) * growth + offset;
      const float left = squared - deletion[p + k] * (f * f);
      length[k] = factor[p + k] * sqrtf(left > 0 ? left : 0);
    }
    for (int64_t k = 0; k < count; k++) lower[(p + k) * stride] = length[k];
  }
}

void sk_place_codes(const uint8_t *codes, int64_t n, int64_t width, int64_t lane, uint8_t *panel) {
  uint8_t *to = panel + lane * 4;
  int64_t k = 0;
  for (; 4 * k + 4 <= n; k++) memcpy(to + k * width * 4, codes + 4 * k, 4);
  if (4 * k < n) {
    uint8_t last[4] = {0};
    memcpy(last, codes + 4 * k, (size_t)(n - 4 * k));
    memcpy(to + k * width * 4, last, 4);
  }
}

CLONES void sk_encode_calls(const uint8_t *calls, int64_t n, int32_t level, int32_t missing, uint8_t *codes) {
  const uint8_t one = (uint8_t)level, two = (uint8_t)(2 * level), other = (uint8_t)missing;
  for (int64_t i = 0; i < n; i++) {
    const uint8_t g = calls[i];
    const uint8_t low = g == 1 ? one : 0, high = g == 3 ? other : two;
    codes[i] = g >= 2 ? high : low;
  }
}

static inline uint64_t mix(uint64_t hash, uint64_t word) {
  hash = (hash ^ word) * 0x9E3779B97F4A7C15u;
  return hash ^ hash >> 29;
}

// Of calls counted from the allele that makes the first homozygous one 0.
uint64_t sk_hash_calls(const uint8_t *calls, int64_t n) {
  // Exchanging the alleles exchanges 0 and 2, which differ in bit 1 only; missing calls (3) and 1 stay.
  int64_t first = 0;
  while (first < n && (calls[first] & 1)) first++;
  const int flip = first < n && calls[first] == 2;
  uint64_t hash = (uint64_t)n;
  for (int64_t i = 0; i < n; i += 8) {
    uint64_t word = 0;
    memcpy(&word, calls + i, (size_t)(n - i < 8 ? n - i : 8));
    // Bit 1 of even calls.
    if (flip) word ^= (~word & 0x0101010101010101u) << 1;
    if (n - i < 8) word &= ((uint64_t)1 << 8 * (n - i)) - 1;
    hash = mix(hash, word);
  }
  return hash;
}

uint64_t sk_hash_dosages(const float *g, int64_t n) {
  uint64_t hash = (uint64_t)n;
  for (int64_t i = 0; i < n; i += 2) {
    uint64_t word = 0;
    memcpy(&word, g + i, sizeof(float) * (size_t)(n - i < 2 ? 1 : 2));
    hash = mix(hash, word);
  }
  return hash;
}

int sk_equal_calls(const uint8_t *a, const uint8_t *b, int64_t n) {
  if (memcmp(a, b, (size_t)n) == 0) return 1;
  for (int64_t i = 0; i < n; i++)
    if (b[i] != (a[i] & 1 ? a[i] : 2 - a[i])) return 0;
  return 1;
}

// Eight dosages: sums are of lanes, since one sum at a time would wait for each addition.
INLINE void encode_eight(const v8f *g, double mean, double low, double scale, int32_t largest, v8i *codes, v8l sums[2], v8d errors[2]) {
  const v8d known = __builtin_convertvector(*g, v8d);
  const v8l absent = known != known;
  const v8d value = (v8d)(((v8l)known & ~absent) | ((v8l)(v8d){mean, mean, mean, mean, mean, mean, mean, mean} & absent));
  v8i code = __builtin_convertvector((value - low) * scale + 0.5, v8i);
  const v8i high = code > largest;
  code = (code & ~(code < 0) & ~high) | (largest & high);
  const v8d delta = value - (low + __builtin_convertvector(code, v8d) * (1 / scale));
  *codes = code;
  sums[0] += __builtin_convertvector(code, v8l);
  sums[1] += __builtin_convertvector(code * code, v8l);
  errors[0] += delta;
  errors[1] += delta * delta;
}

CLONES sk_code_sums sk_encode_dosages(const float *g, int64_t n, double mean, double low, double scale, int32_t largest,
                                      uint8_t *codes) {
  v8l sums[2] = {{0}, {0}};
  v8d errors[2] = {{0}, {0}};
  int64_t i = 0;
  for (; i < n; i += 8) {
    v8f eight = {0};
    if (n - i >= 8) {
      memcpy(&eight, g + i, sizeof eight);
    } else {
      // `low` has code 0 and no error.
      for (int j = 0; j < 8; j++) eight[j] = (float)low;
      for (int64_t j = 0; j < n - i; j++) eight[j] = g[i + j];
    }
    v8i code;
    encode_eight(&eight, mean, low, scale, largest, &code, sums, errors);
    const v8b bytes = __builtin_convertvector(code, v8b);
    memcpy(codes + i, &bytes, (size_t)(n - i < 8 ? n - i : 8));
  }
  sk_code_sums out = {0};
  for (int j = 0; j < 8; j++) {
    out.sum += sums[0][j];
    out.squares += sums[1][j];
    out.error += errors[0][j];
    out.squared_error += errors[1][j];
  }
  return out;
}

CLONES void sk_range(const float *g, int64_t n, float *low, float *high) {
  float least[16], most[16];
  for (int j = 0; j < 16; j++) least[j] = INFINITY, most[j] = -INFINITY;
  int64_t i = 0;
  for (; i + 16 <= n; i += 16)
    for (int j = 0; j < 16; j++) {
      least[j] = g[i + j] < least[j] ? g[i + j] : least[j];
      most[j] = g[i + j] > most[j] ? g[i + j] : most[j];
    }
  for (; i < n; i++) {
    least[0] = g[i] < least[0] ? g[i] : least[0];
    most[0] = g[i] > most[0] ? g[i] : most[0];
  }
  for (int j = 1; j < 16; j++) {
    least[0] = least[j] < least[0] ? least[j] : least[0];
    most[0] = most[j] > most[0] ? most[j] : most[0];
  }
  *low = least[0] <= most[0] ? least[0] : 0;
  *high = least[0] <= most[0] ? most[0] : 0;
}

CLONES double sk_largest_magnitude(const double *y, int64_t n) {
  double largest = 0;
  for (int64_t i = 0; i < n; i++) {
    const double a = fabs(y[i]);
    largest = a > largest ? a : largest;
  }
  return largest;
}

CLONES static int64_t round_trait(const double *y, int64_t n, double scale, int16_t *codes) {
  int64_t sum = 0;
  for (int64_t i = 0; i < n; i++) {
    const double x = y[i] * scale;
    const double nearest = x + (x < 0 ? -0.5 : 0.5);
    const int32_t code = (int32_t)(nearest < -sk_largest_code  ? -sk_largest_code
                                   : nearest > sk_largest_code ? sk_largest_code
                                                               : nearest);
    codes[i] = (int16_t)code;
    sum += code;
  }
  return sum;
}

CLONES static double squared_error(const double *y, int64_t n, double scale, const int16_t *codes) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    const double d = y[i] * scale - codes[i];
    sum += d * d;
  }
  return sum;
}

double sk_encode_trait(const double *y, int64_t n, double scale, int32_t limit, int16_t *codes) {
  int64_t sum = round_trait(y, n, scale, codes);
  // Codes nearest to the next integer move first: the sum of about √(n/12) is made up by entries off by a quarter or more, which
  // lengthens δ by a few per cent.
  static const double least[3] = {0.25, 0, -1};
  const int32_t move = sum > 0 ? -1 : 1;
  for (int pass = 0; pass < 3 && sum != 0; pass++)
    for (int64_t i = 0; i < n && sum != 0; i++) {
      const int32_t moved = codes[i] + move;
      if ((y[i] * scale - codes[i]) * move > least[pass] && moved >= -limit && moved <= limit) {
        codes[i] = (int16_t)moved;
        sum += move;
      }
    }
  return sum == 0 ? squared_error(y, n, scale, codes) : -1;
}

// The code over 254, to the nearest: what is left fits ±127.
static inline int32_t high_digit(int32_t code) {
  return code > 127 ? (code + 126) / 254 : code < -127 ? (code - 126) / 254 : 0;
}

int64_t sk_place_traits(const int16_t *codes, int64_t groups, int64_t traits, int8_t *low, int32_t *group, int8_t *high) {
  int64_t count = 0;
  for (int64_t k = 0; k < groups; k++) {
    int has_high = 0;
    for (int64_t j = 0; j < traits; j++)
      for (int64_t s = 0; s < 4; s++) {
        const int32_t code = codes[(j * groups + k) * 4 + s];
        has_high |= code > 127 || code < -127;
        low[(k * traits + j) * 4 + s] = (int8_t)(code - 254 * high_digit(code));
      }
    if (!has_high) continue;
    for (int64_t j = 0; j < traits; j++)
      for (int64_t s = 0; s < 4; s++)
        high[(count * traits + j) * 4 + s] = (int8_t)high_digit(codes[(j * groups + k) * 4 + s]);
    group[count++] = (int32_t)k;
  }
  return count;
}
