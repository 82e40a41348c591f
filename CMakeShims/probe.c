// Says as JSON which BLAS, LAPACK and htslib this machine gives, and checks that they compute.
// Ends with 0 when the self-check passed.
#include <cblas.h>
#include <htslib/hts.h>
#include <lapacke.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static void print_string(const char *key, const char *value, const char *end) {
  printf("\"%s\": \"", key);
  for (const char *c = value; *c; c++) {
    if (*c == '"' || *c == '\\') putchar('\\');
    if ((unsigned char)*c >= 0x20) putchar(*c);
  }
  printf("\"%s", end);
}

static const char *truth(bool value) { return value ? "true" : "false"; }

static const char *threading(void) {
  switch (openblas_get_parallel()) {
  case 0: return "serial";
  case 1: return "pthreads";
  case 2: return "openmp";
  default: return "unknown";
  }
}

// Bits of the integers the library was built for; a header that disagrees would corrupt every call.
static int library_integer_bits(void) {
  return strstr(openblas_get_config(), "USE64BITINT") ? 64 : 32;
}

// C = A·B with small integers: exact in any order of summation.
static bool dgemm_is_exact(void) {
  enum { m = 3, n = 2, k = 4 };
  double a[m * k], b[k * n], c[m * n];
  for (int i = 0; i < m * k; i++) a[i] = i - 5;
  for (int i = 0; i < k * n; i++) b[i] = 3 * i - 7;
  cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, m, n, k, 1, a, m, b, k, 0, c, m);
  for (int i = 0; i < m; i++)
    for (int j = 0; j < n; j++) {
      double sum = 0;
      for (int l = 0; l < k; l++) sum += a[i + m * l] * b[l + k * j];
      if (c[i + m * j] != sum) return false;
    }
  return true;
}

// The second-difference matrix has eigenvalues 2 − 2cos(kπ/(n + 1)), k = 1…n, below 4, so round-off stays
// within a few n·4·2⁻⁵³ ≈ 4e-15; 1e-13 allows for any algorithm and still fails on a wrong one.
static bool dsyevd_is_accurate(double *worst) {
  enum { n = 8 };
  double a[n * n] = {0}, v[n * n], w[n];
  for (int i = 0; i < n; i++) {
    a[i + n * i] = 2;
    if (i > 0) a[i + n * (i - 1)] = a[i - 1 + n * i] = -1;
  }
  memcpy(v, a, sizeof v);
  if (LAPACKE_dsyevd(LAPACK_COL_MAJOR, 'V', 'L', n, v, n, w) != 0) return false;
  *worst = 0;
  for (int k = 0; k < n; k++) {
    *worst = fmax(*worst, fabs(w[k] - (2 - 2 * cos((k + 1) * acos(-1) / (n + 1)))));
    for (int i = 0; i < n; i++) {
      double residual = -w[k] * v[i + n * k];
      for (int j = 0; j < n; j++) residual += a[i + n * j] * v[j + n * k];
      *worst = fmax(*worst, fabs(residual));
    }
  }
  return *worst < 1e-13;
}

int main(void) {
  int header_bits = 8 * (int)sizeof(blasint);
  int library_bits = library_integer_bits();
  bool widths_agree = header_bits == library_bits;
  double worst = NAN;
  bool dgemm = widths_agree && dgemm_is_exact();
  bool dsyevd = widths_agree && dsyevd_is_accurate(&worst);
  bool passed = dgemm && dsyevd;

  printf("{\n  \"blas\": {\n    ");
  print_string("config", openblas_get_config(), ",\n    ");
  print_string("core", openblas_get_corename(), ",\n    ");
  print_string("threading", threading(), ",\n    ");
  print_string("interface", library_bits == 64 ? "ILP64" : "LP64", ",\n    ");
  printf("\"integer_bits\": %d,\n    \"header_integer_bits\": %d\n  },\n", library_bits, header_bits);
  printf("  \"lapacke\": {\n    \"integer_bits\": %d\n  },\n", 8 * (int)sizeof(lapack_int));
  printf("  \"htslib\": {\n    ");
  print_string("version", hts_version(), "\n  },\n");
  printf("  \"self_check\": {\n    \"integer_widths_agree\": %s,\n    \"dgemm\": %s,\n", truth(widths_agree),
         truth(dgemm));
  printf("    \"dsyevd\": %s,\n", truth(dsyevd));
  if (isnan(worst))
    printf("    \"dsyevd_error\": null,\n");
  else
    printf("    \"dsyevd_error\": %.3g,\n", worst);
  printf("    \"passed\": %s\n  }\n}\n", truth(passed));
  return passed ? 0 : 1;
}
