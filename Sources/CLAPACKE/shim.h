#pragma once
// Swift cannot import C99 _Complex; behind a pointer a pair of reals has the same layout.
typedef struct { float re, im; } swiftqtl_complex_float;
typedef struct { double re, im; } swiftqtl_complex_double;
#define LAPACK_COMPLEX_CUSTOM 1
#define lapack_complex_float swiftqtl_complex_float
#define lapack_complex_double swiftqtl_complex_double
#include <lapacke.h>
