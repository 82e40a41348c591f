#include "CText.h"
#include <bit>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <limits>

int ctext_format_g(double value, int precision, char *out) {
  if (std::isnan(value)) {
    std::memcpy(out, "nan", 3);  // to_chars would print the sign
    return 3;
  }
  const auto r = std::to_chars(out, out + 32, value, std::chars_format::general, precision);
  return static_cast<int>(r.ptr - out);
}

int ctext_format_int(int64_t value, char *out) {
  return static_cast<int>(std::to_chars(out, out + 32, value).ptr - out);
}

namespace {
template <typename T>
std::from_chars_result parse(const char *begin, const char *end, T *out) {
  if (begin != end && *begin == '+') {
    begin++;
    if (begin != end && *begin == '-') return {begin, std::errc::invalid_argument};
  }
  return std::from_chars(begin, end, *out);
}

constexpr double power[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,
                            1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19};
constexpr uint64_t whole_power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

constexpr uint64_t each(uint64_t byte) { return byte * 0x0101010101010101u; }

// Appends the run of digits at p to `digits`, eight at a time; wraps beyond 19 digits.
inline const char *read_digits(const char *p, const char *end, uint64_t *digits) {
  if constexpr (std::endian::native == std::endian::little) {
    while (end - p >= 8) {
      uint64_t w;
      std::memcpy(&w, p, 8);
      w ^= each('0');
      // The high bit of each byte above 9; a carry only reaches bytes behind one that is marked itself.
      const uint64_t other = ((w + each(0x80 - 10)) | w) & each(0x80);
      // Whether all eight are digits is a branch, as it can be foreseen: waiting for the count takes longer.
      const int count = other == 0 ? 8 : std::countr_zero(other) / 8;
      if (count == 0) return p;
      // Pairs, fours, all eight; the first digit is the lowest byte.
      w <<= 64 - 8 * count;
      w = (w * 10 + (w >> 8)) & 0x00FF00FF00FF00FFu;
      w = (w * 100 + (w >> 16)) & 0x0000FFFF0000FFFFu;
      w = (w * 10000 + (w >> 32)) & 0x00000000FFFFFFFFu;
      *digits = *digits * whole_power[count] + w;
      if (other != 0) return p + count;
      p += 8;
    }
  }
  for (; p != end && static_cast<unsigned char>(*p - '0') <= 9; p++) {
    *digits = *digits * 10 + static_cast<uint64_t>(*p - '0');
  }
  return p;
}

// The number without exponent at p and the byte behind it; nullptr where <charconv> must see to it.
// Digits up to 2^53 and powers up to 1e22 are exact doubles: their quotient is rounded once, hence the nearest
// (Clinger 1990, doi:10.1145/93542.93557).
inline const char *short_decimal(const char *p, const char *end, double *out) {
  const bool negative = p != end && *p == '-';
  p += negative;
  uint64_t digits = 0;
  const char *const first = p;
  for (; p != end && static_cast<unsigned char>(*p - '0') <= 9; p++) {
    digits = digits * 10 + static_cast<uint64_t>(*p - '0');
  }
  auto count = p - first;
  std::ptrdiff_t places = 0;
  if (p != end && *p == '.') {
    const char *const point = p++;
    p = read_digits(p, end, &digits);
    places = p - point - 1;
    count += places;
  }
  if (count == 0 || count > 19 || digits > uint64_t{1} << 53) return nullptr;
  if (p != end && (*p | 0x20) == 'e') return nullptr;
  const double value = static_cast<double>(digits) / power[places];
  // Not a branch: signs are as good as random.
  *out = std::bit_cast<double>(std::bit_cast<uint64_t>(value) | uint64_t{negative} << 63);
  return p;
}
}  // namespace

int ctext_parse_double(const char *begin, const char *end, double *out) {
  double value = 0;
  auto r = parse(begin, end, &value);
  if (r.ec == std::errc::result_out_of_range) {
    // Too large and too small are one code: the wider type, which is rarely needed, tells them apart.
    long double wide = 0;
    r = parse(begin, end, &wide);
    value = static_cast<double>(wide);
  }
  if (r.ec != std::errc() || r.ptr != end || !std::isfinite(value)) return 1;
  *out = value;
  return 0;
}

int ctext_parse_int64(const char *begin, const char *end, int64_t *out) {
  int64_t value = 0;
  const auto r = parse(begin, end, &value);
  if (r.ec != std::errc() || r.ptr != end) return 1;
  *out = value;
  return 0;
}

ctext_numbers ctext_parse_numbers(const char *begin, const char *end, char separator, double *out, int64_t capacity) {
  int64_t count = 0;
  double least = std::numeric_limits<double>::infinity();
  const char *next = begin;
  while (count < capacity) {
    double value = 0;
    const char *p = short_decimal(next, end, &value);
    if (p == nullptr) {
      const auto r = std::from_chars(next, end, value);
      if (r.ec != std::errc() || !std::isfinite(value)) break;
      p = r.ptr;
    }
    if (p != end && *p != separator) break;
    out[count++] = value;
    least = value < least ? value : least;
    next = p == end ? nullptr : p + 1;
    if (next == nullptr) break;
  }
  return {count, next, least};
}
