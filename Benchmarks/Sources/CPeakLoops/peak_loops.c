#include "peak_loops.h"

#if defined(__x86_64__)
#include <immintrin.h>

// The empty assembly keeps the compiler from seeing that products are alike, and folding them; it costs nothing.
#define OPAQUE(x) __asm__ volatile("" : "+x"(x))
#define OPAQUE512(x) __asm__ volatile("" : "+v"(x))

__attribute__((target("avx2"))) static int64_t avx2_16(int64_t iterations) {
  __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2), c[10];
  for (int j = 0; j < 10; j++) c[j] = _mm256_setzero_si256();
  for (int64_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 10; j++) {
      OPAQUE(b);
      c[j] = _mm256_add_epi16(c[j], _mm256_maddubs_epi16(a, b));
    }
  }
  for (int j = 0; j < 10; j++) OPAQUE(c[j]);
  return iterations * 10 * 32 * 2;
}

__attribute__((target("avx2"))) static int64_t avx2_32(int64_t iterations) {
  __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2), c[10];
  const __m256i ones = _mm256_set1_epi16(1);
  for (int j = 0; j < 10; j++) c[j] = _mm256_setzero_si256();
  for (int64_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 10; j++) {
      OPAQUE(b);
      c[j] = _mm256_add_epi32(c[j], _mm256_madd_epi16(_mm256_maddubs_epi16(a, b), ones));
    }
  }
  for (int j = 0; j < 10; j++) OPAQUE(c[j]);
  return iterations * 10 * 32 * 2;
}

__attribute__((target("avx2,avxvnni"))) static int64_t avx_vnni(int64_t iterations) {
  __m256i a = _mm256_set1_epi8(1), b = _mm256_set1_epi8(2), c[12];
  for (int j = 0; j < 12; j++) c[j] = _mm256_setzero_si256();
  for (int64_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 12; j++) c[j] = _mm256_dpbusd_avx_epi32(c[j], a, b);
    OPAQUE(a);
  }
  for (int j = 0; j < 12; j++) OPAQUE(c[j]);
  return iterations * 12 * 32 * 2;
}

__attribute__((target("avx512f,avx512bw,avx512vnni"))) static int64_t avx512_vnni(int64_t iterations) {
  __m512i a = _mm512_set1_epi8(1), b = _mm512_set1_epi8(2), c[24];
  for (int j = 0; j < 24; j++) c[j] = _mm512_setzero_si512();
  for (int64_t i = 0; i < iterations; i++) {
#pragma clang loop unroll(full)
    for (int j = 0; j < 24; j++) c[j] = _mm512_dpbusd_epi32(c[j], a, b);
    OPAQUE512(a);
  }
  for (int j = 0; j < 24; j++) OPAQUE512(c[j]);
  return iterations * 24 * 64 * 2;
}

int64_t peak_avx2_16(int64_t n) { return __builtin_cpu_supports("avx2") ? avx2_16(n) : 0; }
int64_t peak_avx2_32(int64_t n) { return __builtin_cpu_supports("avx2") ? avx2_32(n) : 0; }
int64_t peak_avx_vnni(int64_t n) { return __builtin_cpu_supports("avxvnni") ? avx_vnni(n) : 0; }
int64_t peak_avx512_vnni(int64_t n) { return __builtin_cpu_supports("avx512vnni") ? avx512_vnni(n) : 0; }
int64_t peak_neon_dot(int64_t n) { return 0 * n; }

#elif defined(__aarch64__)
#include <arm_neon.h>

// Run only where the kernel found the instruction.
__attribute__((target("dotprod"))) int64_t peak_neon_dot(int64_t iterations) {
  int8x16_t a = vdupq_n_s8(1), b = vdupq_n_s8(2);
  int32x4_t c[24];
  for (int j = 0; j < 24; j++) c[j] = vdupq_n_s32(0);
  for (int64_t i = 0; i < iterations; i++) {
    for (int j = 0; j < 24; j++) c[j] = vdotq_s32(c[j], a, b);
    __asm__ volatile("" : "+w"(a));
  }
  for (int j = 0; j < 24; j++) __asm__ volatile("" : "+w"(c[j]));
  return iterations * 24 * 16 * 2;
}

int64_t peak_avx2_16(int64_t n) { return 0 * n; }
int64_t peak_avx2_32(int64_t n) { return 0 * n; }
int64_t peak_avx_vnni(int64_t n) { return 0 * n; }
int64_t peak_avx512_vnni(int64_t n) { return 0 * n; }
#endif
