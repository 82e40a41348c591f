#include "CText.h"
#include <charconv>
#include <cmath>
#include <cstring>

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
