#include "CText.h"
#include <charconv>
#include <cmath>

int ctext_format_g(double value, int precision, char *out) {
  const auto r = std::to_chars(out, out + 32, value, std::chars_format::general, precision);
  return static_cast<int>(r.ptr - out);
}

int ctext_format_int(int64_t value, char *out) {
  return static_cast<int>(std::to_chars(out, out + 32, value).ptr - out);
}

template <typename T>
static int parse(const char *begin, const char *end, T *out) {
  if (begin != end && *begin == '+') {
    begin++;
    if (begin != end && *begin == '-') return 1;
  }
  const auto r = std::from_chars(begin, end, *out);
  return r.ec != std::errc() || r.ptr != end;
}

int ctext_parse_double(const char *begin, const char *end, double *out) {
  return parse(begin, end, out) || !std::isfinite(*out);
}

int ctext_parse_int64(const char *begin, const char *end, int64_t *out) { return parse(begin, end, out); }
