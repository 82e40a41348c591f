#pragma once
#include <stdint.h>

// Numbers to and from text, by libstdc++'s <charconv>: no locale, no allocation.

#ifdef __cplusplus
extern "C" {
#endif

// As printf("%.{precision}g") in the C locale, but every NaN is "nan". `out` holds at least 32 bytes and is not
// terminated; precision is 0 to 17. Returns the length.
int ctext_format_g(double value, int precision, char *out);

// As printf("%lld"); the rest as above.
int ctext_format_int(int64_t value, char *out);

// Parse the whole of [begin, end) as a decimal number: 0 when it is one, else nonzero and `out` is untouched.
// A leading + is accepted; spaces, hexadecimal, inf and nan are not (which words mean missing is the caller's to say).
// The double is the nearest to the text: 1e-400 is 0, 1e400 is refused.
int ctext_parse_double(const char *begin, const char *end, double *out);
int ctext_parse_int64(const char *begin, const char *end, int64_t *out);

typedef struct {
  int64_t count;     // cells parsed
  const char *next;  // where the first cell that was not parsed begins; NULL when the text ended with a parsed one
  double least;      // of the numbers; +inf when there is none
} ctext_numbers;

// Parse the cells of [begin, end), parted by single `separator` bytes, into `out` as long as there is room and they are
// decimal numbers, without a leading +, that neither over- nor underflow: the same doubles as ctext_parse_double's. What
// stops the run (a missing value, a quote, a fault) is the caller's to judge.
ctext_numbers ctext_parse_numbers(const char *begin, const char *end, char separator, double *out, int64_t capacity);

#ifdef __cplusplus
}
#endif
