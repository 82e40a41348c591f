#pragma once
#include <stdint.h>

// Numbers to and from text, by libstdc++'s <charconv>: no locale, no allocation.

#ifdef __cplusplus
extern "C" {
#endif

// As printf("%.{precision}g"); `out` holds at least 32 bytes; returns the length.
int ctext_format_g(double value, int precision, char *out);
int ctext_format_int(int64_t value, char *out);

// Parse the whole of [begin, end); 0 when that is a finite number. A leading + is accepted; inf and nan are not.
int ctext_parse_double(const char *begin, const char *end, double *out);
int ctext_parse_int64(const char *begin, const char *end, int64_t *out);

#ifdef __cplusplus
}
#endif
