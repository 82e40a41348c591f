#include "integer_products.h"
#include <math.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#if defined(__linux__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif
#endif

#define INLINE static inline __attribute__((always_inline))

// sums[j][v] += Σ_k Σ_s a[group][v][s]·b[k][j][s] with group = index[k] if `indexed`, a constant once inlined, else k. Sums
// wrap: the caller sees to it that the final ones fit.
#define ACCUMULATE_ARGUMENTS \
  const uint8_t *a, const int8_t *b, int indexed, const int32_t *index, int64_t count, int64_t depth, int32_t *sums

// MARK: portable

enum { PORTABLE_WIDTH = 16, PORTABLE_TRAITS = 4 };

INLINE void accumulate_portable(ACCUMULATE_ARGUMENTS) {
  (void)depth;
  for (int64_t k = 0; k < count; k++) {
    const uint8_t *g = a + (indexed ? index[k] : k) * PORTABLE_WIDTH * 4;
    const int8_t *y = b + k * PORTABLE_TRAITS * 4;
    for (int j = 0; j < PORTABLE_TRAITS; j++)
      for (int v = 0; v < PORTABLE_WIDTH; v++) {
        int32_t sum = 0;
        for (int s = 0; s < 4; s++) sum += (int32_t)g[4 * v + s] * y[4 * j + s];
        sums[j * PORTABLE_WIDTH + v] += sum;
      }
  }
}

// MARK: x86-64

#if defined(__x86_64__)

INLINE int32_t four(const int8_t *samples) {
  int32_t bytes;
  memcpy(&bytes, samples, 4);
  return bytes;
}

enum { AVX2_WIDTH = 16, AVX2_TRAITS = 4 };

__attribute__((target("avx2,fma"))) INLINE void accumulate_avx2_runs(const uint8_t *a, const int8_t *b, int indexed,
                                                                     const int32_t *index, int64_t count,
                                                                     const int64_t run, int32_t *sums) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i c[AVX2_TRAITS][2];
  for (int j = 0; j < AVX2_TRAITS; j++)
    for (int i = 0; i < 2; i++) c[j][i] = _mm256_loadu_si256((const __m256i *)(sums + j * AVX2_WIDTH + 8 * i));
  for (int64_t start = 0; start < count; start += run)
    _Pragma("clang loop unroll(full)") for (int j = 0; j < AVX2_TRAITS; j++) {
      __m256i short0 = _mm256_setzero_si256(), short1 = short0;
      _Pragma("clang loop unroll(full)") for (int64_t k = 0; k < run; k++) {
        const __m256i *g = (const __m256i *)(a + (indexed ? index[start + k] : start + k) * AVX2_WIDTH * 4);
        const __m256i y = _mm256_set1_epi32(four(b + ((start + k) * AVX2_TRAITS + j) * 4));
        const __m256i p0 = _mm256_maddubs_epi16(_mm256_loadu_si256(g), y);
        const __m256i p1 = _mm256_maddubs_epi16(_mm256_loadu_si256(g + 1), y);
        short0 = k ? _mm256_add_epi16(short0, p0) : p0;
        short1 = k ? _mm256_add_epi16(short1, p1) : p1;
      }
      c[j][0] = _mm256_add_epi32(c[j][0], _mm256_madd_epi16(short0, ones));
      c[j][1] = _mm256_add_epi32(c[j][1], _mm256_madd_epi16(short1, ones));
    }
  for (int j = 0; j < AVX2_TRAITS; j++)
    for (int i = 0; i < 2; i++) _mm256_storeu_si256((__m256i *)(sums + j * AVX2_WIDTH + 8 * i), c[j][i]);
}

// 2 × 8 variants by 4 traits: eight sums of sixteen 16-bit numbers leave registers for two variants, a trait and the product.
// A product and its addition take two of the three or four vector pipes that can do either.
__attribute__((target("avx2,fma"))) INLINE void accumulate_avx2(ACCUMULATE_ARGUMENTS) {
  const __m256i ones = _mm256_set1_epi16(1);
  if (depth < 2) {
    // Large codes: every product of 16 bits is widened at once.
    __m256i c[AVX2_TRAITS][2];
    for (int j = 0; j < AVX2_TRAITS; j++)
      for (int i = 0; i < 2; i++) c[j][i] = _mm256_loadu_si256((const __m256i *)(sums + j * AVX2_WIDTH + 8 * i));
    for (int64_t k = 0; k < count; k++) {
      const uint8_t *g = a + (indexed ? index[k] : k) * AVX2_WIDTH * 4;
      const __m256i a0 = _mm256_loadu_si256((const __m256i *)g);
      const __m256i a1 = _mm256_loadu_si256((const __m256i *)(g + 32));
      _Pragma("clang loop unroll(full)") for (int j = 0; j < AVX2_TRAITS; j++) {
        const __m256i y = _mm256_set1_epi32(four(b + (k * AVX2_TRAITS + j) * 4));
        c[j][0] = _mm256_add_epi32(c[j][0], _mm256_madd_epi16(_mm256_maddubs_epi16(a0, y), ones));
        c[j][1] = _mm256_add_epi32(c[j][1], _mm256_madd_epi16(_mm256_maddubs_epi16(a1, y), ones));
      }
    }
    for (int j = 0; j < AVX2_TRAITS; j++)
      for (int i = 0; i < 2; i++) _mm256_storeu_si256((__m256i *)(sums + j * AVX2_WIDTH + 8 * i), c[j][i]);
    return;
  }
  // Short runs: sums of 32 bits stay in registers, those of a run are of one trait at a time.
  if (depth < 12) {
    const int64_t run = depth >= 3 ? 3 : 2, whole = count - count % run;
    if (run == 3) accumulate_avx2_runs(a, b, indexed, index, whole, 3, sums);
    if (run == 2) accumulate_avx2_runs(a, b, indexed, index, whole, 2, sums);
    if (whole == count) return;
    // The rest fits one run of the loop below.
    a += indexed ? 0 : whole * AVX2_WIDTH * 4;
    b += whole * AVX2_TRAITS * 4;
    if (indexed) index += whole;
    count -= whole;
  }
  for (int64_t start = 0; start < count; start += depth) {
    const int64_t stop = start + depth < count ? start + depth : count;
    __m256i c[AVX2_TRAITS][2];
    // The first group needs neither zeros nor additions: what is issued limits short runs.
    {
      const uint8_t *g = a + (indexed ? index[start] : start) * AVX2_WIDTH * 4;
      const __m256i a0 = _mm256_loadu_si256((const __m256i *)g);
      const __m256i a1 = _mm256_loadu_si256((const __m256i *)(g + 32));
      _Pragma("clang loop unroll(full)") for (int j = 0; j < AVX2_TRAITS; j++) {
        const __m256i y = _mm256_set1_epi32(four(b + (start * AVX2_TRAITS + j) * 4));
        c[j][0] = _mm256_maddubs_epi16(a0, y);
        c[j][1] = _mm256_maddubs_epi16(a1, y);
      }
    }
    _Pragma("clang loop unroll_count(2)") for (int64_t k = start + 1; k < stop; k++) {
      const uint8_t *g = a + (indexed ? index[k] : k) * AVX2_WIDTH * 4;
      const __m256i a0 = _mm256_loadu_si256((const __m256i *)g);
      const __m256i a1 = _mm256_loadu_si256((const __m256i *)(g + 32));
      _Pragma("clang loop unroll(full)") for (int j = 0; j < AVX2_TRAITS; j++) {
        const __m256i y = _mm256_set1_epi32(four(b + (k * AVX2_TRAITS + j) * 4));
        c[j][0] = _mm256_add_epi16(c[j][0], _mm256_maddubs_epi16(a0, y));
        c[j][1] = _mm256_add_epi16(c[j][1], _mm256_maddubs_epi16(a1, y));
      }
    }
    for (int j = 0; j < AVX2_TRAITS; j++)
      for (int i = 0; i < 2; i++) {
        __m256i *sum = (__m256i *)(sums + j * AVX2_WIDTH + 8 * i);
        _mm256_storeu_si256(sum, _mm256_add_epi32(_mm256_loadu_si256(sum), _mm256_madd_epi16(c[j][i], ones)));
      }
  }
}

enum { AVX_VNNI_WIDTH = 16, AVX_VNNI_TRAITS = 6 };

__attribute__((target("avx2,fma,avxvnni"))) INLINE void accumulate_avx_vnni(ACCUMULATE_ARGUMENTS) {
  (void)depth;
  __m256i c[AVX_VNNI_TRAITS][2];
  for (int j = 0; j < AVX_VNNI_TRAITS; j++)
    for (int i = 0; i < 2; i++) c[j][i] = _mm256_loadu_si256((const __m256i *)(sums + j * AVX_VNNI_WIDTH + 8 * i));
  for (int64_t k = 0; k < count; k++) {
    const uint8_t *g = a + (indexed ? index[k] : k) * AVX_VNNI_WIDTH * 4;
    const __m256i a0 = _mm256_loadu_si256((const __m256i *)g);
    const __m256i a1 = _mm256_loadu_si256((const __m256i *)(g + 32));
    _Pragma("clang loop unroll(full)") for (int j = 0; j < AVX_VNNI_TRAITS; j++) {
      const __m256i y = _mm256_set1_epi32(four(b + (k * AVX_VNNI_TRAITS + j) * 4));
      c[j][0] = _mm256_dpbusd_avx_epi32(c[j][0], a0, y);
      c[j][1] = _mm256_dpbusd_avx_epi32(c[j][1], a1, y);
    }
  }
  for (int j = 0; j < AVX_VNNI_TRAITS; j++)
    for (int i = 0; i < 2; i++) _mm256_storeu_si256((__m256i *)(sums + j * AVX_VNNI_WIDTH + 8 * i), c[j][i]);
}

enum { AVX512_WIDTH = 64, AVX512_TRAITS = 6 };

// 24 sums, 4 variants and a broadcast trait fill 29 of 32 registers.
__attribute__((target("avx512f,avx512bw,avx512vnni"))) INLINE void accumulate_avx512_vnni(ACCUMULATE_ARGUMENTS) {
  (void)depth;
  __m512i c[AVX512_TRAITS][4];
  for (int j = 0; j < AVX512_TRAITS; j++)
    for (int i = 0; i < 4; i++) c[j][i] = _mm512_loadu_si512(sums + j * AVX512_WIDTH + 16 * i);
  for (int64_t k = 0; k < count; k++) {
    const uint8_t *g = a + (indexed ? index[k] : k) * AVX512_WIDTH * 4;
    const __m512i a0 = _mm512_loadu_si512(g), a1 = _mm512_loadu_si512(g + 64);
    const __m512i a2 = _mm512_loadu_si512(g + 128), a3 = _mm512_loadu_si512(g + 192);
    // The panel comes from the second-level cache; a prefetch past its end does no harm.
    for (int i = 0; i < 4; i++) _mm_prefetch((const char *)g + 2048 + 64 * i, _MM_HINT_T0);
    _Pragma("clang loop unroll(full)") for (int j = 0; j < AVX512_TRAITS; j++) {
      const __m512i y = _mm512_set1_epi32(four(b + (k * AVX512_TRAITS + j) * 4));
      c[j][0] = _mm512_dpbusd_epi32(c[j][0], a0, y);
      c[j][1] = _mm512_dpbusd_epi32(c[j][1], a1, y);
      c[j][2] = _mm512_dpbusd_epi32(c[j][2], a2, y);
      c[j][3] = _mm512_dpbusd_epi32(c[j][3], a3, y);
    }
  }
  for (int j = 0; j < AVX512_TRAITS; j++)
    for (int i = 0; i < 4; i++) _mm512_storeu_si512(sums + j * AVX512_WIDTH + 16 * i, c[j][i]);
}

#endif

// MARK: AArch64

#if defined(__aarch64__)

enum { NEON_WIDTH = 16, NEON_TRAITS = 4 };

// Codes are at most 127, so that unsigned genotypes may be read as signed.
__attribute__((target("dotprod"))) INLINE void accumulate_neon_dot(ACCUMULATE_ARGUMENTS) {
  (void)depth;
  int32x4_t c[NEON_TRAITS][4];
  for (int j = 0; j < NEON_TRAITS; j++)
    for (int i = 0; i < 4; i++) c[j][i] = vld1q_s32(sums + j * NEON_WIDTH + 4 * i);
  for (int64_t k = 0; k < count; k++) {
    const int8_t *g = (const int8_t *)a + (indexed ? index[k] : k) * NEON_WIDTH * 4;
    const int8x16_t y = vld1q_s8(b + k * NEON_TRAITS * 4);
    for (int i = 0; i < 4; i++) {
      const int8x16_t x = vld1q_s8(g + 16 * i);
      c[0][i] = vdotq_laneq_s32(c[0][i], x, y, 0);
      c[1][i] = vdotq_laneq_s32(c[1][i], x, y, 1);
      c[2][i] = vdotq_laneq_s32(c[2][i], x, y, 2);
      c[3][i] = vdotq_laneq_s32(c[3][i], x, y, 3);
    }
  }
  for (int j = 0; j < NEON_TRAITS; j++)
    for (int i = 0; i < 4; i++) vst1q_s32(sums + j * NEON_WIDTH + 4 * i, c[j][i]);
}

#endif

// MARK: the loops around the tile, compiled once for each instruction set

typedef void (*accumulate_function)(ACCUMULATE_ARGUMENTS);

INLINE int64_t smaller(int64_t a, int64_t b) { return a < b ? a : b; }

// High digits first, times 254, then the low ones: one set of sums.
INLINE void scale_high(const int64_t size, int32_t *sums) {
  for (int64_t i = 0; i < size; i++) sums[i] = (int32_t)((uint32_t)sums[i] * 254u);
}

// All samples of one tile.
INLINE void whole_tile(const int width, const int traits, accumulate_function accumulate, const sk_panel *p,
                       const sk_traits *t, int64_t tile, int32_t *sums) {
  const int64_t size = (int64_t)width * traits;
  memset(sums, 0, (size_t)size * 4);
  const int64_t from = t->high_start[tile], count = t->high_start[tile + 1] - from;
  if (count > 0) {
    accumulate(p->codes, t->high + from * traits * 4, 1, t->high_group + from, count, p->depth, sums);
    scale_high(size, sums);
  }
  accumulate(p->codes, t->low + tile * t->groups * traits * 4, 0, NULL, t->groups, p->depth, sums);
}

// Tiles that wait for each other's passes over the samples, at most.
enum { TILES_AT_ONCE = 128 };

// Pass by pass over the samples, and in a pass panel by panel: the tiles' part of it stays in the second-level cache until every
// panel has met it, and a panel's part in the first until every tile has. Sums wait for the following passes; they are read and
// written once a pass. sums: [panel][stride]; at most TILES_AT_ONCE tiles.
INLINE void passes(const int width, const int traits, accumulate_function accumulate, const sk_panel *panels,
                   int64_t panel_count, const sk_traits *t, int64_t first, int64_t last, int64_t block,
                   int32_t *sums, int64_t stride) {
  const int64_t size = (int64_t)width * traits;
  for (int64_t p = 0; p < panel_count; p++) memset(sums + p * stride, 0, (size_t)((last - first) * size) * 4);
  if (t->high_start[first] < t->high_start[last]) {
    int64_t from[TILES_AT_ONCE], to[TILES_AT_ONCE];
    for (int64_t tile = first; tile < last; tile++) to[tile - first] = t->high_start[tile];
    for (int64_t start = 0; start < t->groups; start += block) {
      for (int64_t tile = first; tile < last; tile++) {
        int64_t end = from[tile - first] = to[tile - first];
        while (end < t->high_start[tile + 1] && t->high_group[end] < start + block) end++;
        to[tile - first] = end;
      }
      for (int64_t p = 0; p < panel_count; p++)
        for (int64_t k = 0; k < last - first; k++)
          if (from[k] < to[k])
            accumulate(panels[p].codes, t->high + from[k] * traits * 4, 1, t->high_group + from[k], to[k] - from[k],
                       panels[p].depth, sums + p * stride + k * size);
    }
    for (int64_t p = 0; p < panel_count; p++)
      for (int64_t tile = first; tile < last; tile++)
        if (t->high_start[tile] < t->high_start[tile + 1])
          scale_high(size, sums + p * stride + (tile - first) * size);
  }
  for (int64_t start = 0; start < t->groups; start += block) {
    const int64_t count = smaller(block, t->groups - start);
    for (int64_t p = 0; p < panel_count; p++)
      for (int64_t tile = first; tile < last; tile++)
        accumulate(panels[p].codes + start * width * 4, t->low + (tile * t->groups + start) * traits * 4, 0, NULL, count,
                   panels[p].depth, sums + p * stride + (tile - first) * size);
  }
}

typedef void (*passes_function)(const sk_panel *, int64_t, const sk_traits *, int64_t, int64_t, int64_t, int32_t *, int64_t);

INLINE void products(const int width, const int traits, accumulate_function accumulate, passes_function passes,
                     const sk_panel *panels, int64_t panel_count, const sk_traits *t, int64_t first, int64_t last,
                     int64_t block, int32_t *sums) {
  const int64_t size = (int64_t)width * traits, stride = (last - first) * size;
  if (block < t->groups) {
    for (int64_t from = first; from < last; from += TILES_AT_ONCE)
      passes(panels, panel_count, t, from, smaller(from + TILES_AT_ONCE, last), block, sums + (from - first) * size,
             stride);
    return;
  }
  for (int64_t p = 0; p < panel_count; p++)
    for (int64_t tile = first; tile < last; tile++)
      whole_tile(width, traits, accumulate, panels + p, t, tile, sums + p * stride + (tile - first) * size);
}

// The comparison of one tile with a panel whose first lane is `lane`. `!(a < b)` keeps NaN as a survivor: nothing undecided is ever discarded.
INLINE int64_t decide(const int width, const int traits, const sk_panel *p, uint64_t lane, const sk_traits *t,
                      int64_t tile, const int32_t *sums, uint64_t *found) {
  int64_t count = 0;
  for (int j = 0; j < traits; j++) {
    const int64_t slot = tile * traits + j;
    const float reach = t->reach[slot], scale = t->scale[slot], error = t->error[slot];
    const float *u = p->lower + t->length_row[slot] * p->lower_stride;
    const int32_t *e = sums + j * width;
#define BOUND(v) (reach * u[v] - error * p->error[v] - scale * p->offset[v])
    int any = 0;
    for (int v = 0; v < width; v++) any |= !(fabsf((float)e[v]) < BOUND(v));
    if (any)
      for (int v = 0; v < width; v++)
        if (!(fabsf((float)e[v]) < BOUND(v))) found[count++] = (uint64_t)slot << 32 | (lane + (uint64_t)v);
#undef BOUND
  }
  return count;
}

INLINE int64_t decide_best(const int width, const int traits, const sk_panel *p, uint64_t lane, const sk_traits *t,
                           int64_t tile, const int32_t *sums, uint64_t *found, float *upper) {
  int64_t count = 0;
  for (int j = 0; j < traits; j++) {
    const int64_t slot = tile * traits + j;
    const float reach = t->reach[slot], scale = t->scale[slot], error = t->error[slot];
    const float per_unit = 1 / scale;
    const float *u = p->lower + t->length_row[slot] * p->lower_stride;
    const int32_t *e = sums + j * width;
    // 1e-6 covers the fp32 roundings of a handful of operations.
#define REACHED(v) ((1 - 1e-6f) * fabsf((float)e[v]) * per_unit)
#define SLACK(v) (error * p->error[v] * per_unit + p->offset[v])
#define BOUND(v) (reach * u[v] < scale * p->best[v] ? reach * u[v] : scale * p->best[v])
    int any = 0;
    for (int v = 0; v < width; v++)
      any |= !(fabsf((float)e[v]) < BOUND(v) - error * p->error[v] - scale * p->offset[v]);
    if (any)
      for (int v = 0; v < width; v++)
        if (!(fabsf((float)e[v]) < BOUND(v) - error * p->error[v] - scale * p->offset[v])) {
          found[count] = (uint64_t)slot << 32 | (lane + (uint64_t)v);
          upper[count++] = (1 + 1e-6f) * (fabsf((float)e[v]) * per_unit + SLACK(v));
          const float lower = REACHED(v) - SLACK(v);
          // Only a pair that survives can raise the maximum.
          if (lower > p->best[v]) p->best[v] = lower;
        }
#undef REACHED
#undef SLACK
#undef BOUND
  }
  return count;
}

// The largest r of each trait: floors rise as pairs are seen.
INLINE int64_t decide_maxima(const int width, const int traits, const int side, const sk_panel *p, const sk_traits *t,
                             int64_t tile, const int32_t *sums, float *floors, uint64_t *found, float *upper) {
  // Covers how far u was rounded down, and the fp32 roundings of a handful of operations.
  const float above = 1 + 1e-5f;
  int64_t count = 0;
  for (int j = 0; j < traits; j++) {
    const int64_t slot = tile * traits + j;
    const float scale = t->scale[slot], error = t->error[slot], per_unit = 1 / scale;
    const float *u = p->lower;
    const int32_t *e = sums + j * width;
    float floor = floors[slot], reach = scale * floor * (floor < 0 ? above : 1);
#define VALUE(v) (side == 0 ? fabsf((float)e[v]) : (float)(side * e[v]))
#define BOUND(v) (reach * u[v] - error * p->error[v] - scale * p->offset[v])
    int any = 0;
    for (int v = 0; v < width; v++) any |= !(VALUE(v) < BOUND(v));
    if (any)
      for (int v = 0; v < width; v++)
        if (!(VALUE(v) < BOUND(v))) {
          const float slack = error * p->error[v] * per_unit + p->offset[v], value = VALUE(v) * per_unit;
          const float low = value - fabsf(value) * 1e-6f - slack, high = value + fabsf(value) * 1e-6f + slack;
          found[count] = (uint64_t)slot << 32 | (uint64_t)v;
          upper[count++] = (high < 0 ? high / (u[v] * above) : high / u[v]) + 1e-6f;
          const float reached = (low < 0 ? low / u[v] : low / (u[v] * above)) - 1e-6f;
          if (reached > floor) {
            floor = reached;
            reach = scale * floor * (floor < 0 ? above : 1);
          }
        }
    floors[slot] = floor;
#undef VALUE
#undef BOUND
  }
  return count;
}

// Pairs that count as zero; `next` is the first of those in this tile or a later one.
INLINE void clear_excluded(const int width, const int traits, const sk_panel *p, int64_t tile, int64_t *next,
                           int32_t *sums) {
  for (; *next < p->excluded_count; ++*next) {
    const int64_t slot = (int64_t)(p->excluded[*next] >> 32), lane = (int64_t)(p->excluded[*next] & 0xFFFFFFFF);
    if (slot >= (tile + 1) * traits) break;
    if (slot >= tile * traits) sums[(slot - tile * traits) * width + lane] = 0;
  }
}

// With one pass over the samples each tile is compared before the next; else the sums of TILES_AT_ONCE with every panel wait.
INLINE int64_t screen(const int width, const int traits, accumulate_function accumulate, passes_function passes,
                      const sk_panel *panels, int64_t panel_count, const sk_traits *t, int64_t first, int64_t last,
                      int64_t block, int32_t *sums, uint64_t *found, float *upper) {
  const int64_t size = (int64_t)width * traits;
  const int is_whole = block >= t->groups;
  const int64_t step = is_whole ? last - first : TILES_AT_ONCE;
  int64_t count = 0;
  for (int64_t from = first; from < last; from += step) {
    const int64_t to = smaller(from + step, last), stride = (to - from) * size;
    if (!is_whole) passes(panels, panel_count, t, from, to, block, sums, stride);
    for (int64_t k = 0; k < panel_count; k++) {
      const sk_panel *p = panels + k;
      int64_t excluded = 0;
      for (int64_t tile = from; tile < to; tile++) {
        int32_t *tile_sums = is_whole ? sums : sums + k * stride + (tile - from) * size;
        if (is_whole) whole_tile(width, traits, accumulate, p, t, tile, tile_sums);
        clear_excluded(width, traits, p, tile, &excluded, tile_sums);
        const uint64_t lane = (uint64_t)(k * width);
        count += p->best ? decide_best(width, traits, p, lane, t, tile, tile_sums, found + count, upper + count)
                         : decide(width, traits, p, lane, t, tile, tile_sums, found + count);
      }
    }
  }
  return count;
}

INLINE int64_t maxima(const int width, const int traits, const int side, accumulate_function accumulate,
                      passes_function passes, const sk_panel *p, const sk_traits *t, int64_t first, int64_t last,
                      int64_t block, int32_t *sums, float *floors, uint64_t *found, float *upper) {
  const int64_t size = (int64_t)width * traits;
  const int is_whole = block >= t->groups;
  const int64_t step = is_whole ? last - first : TILES_AT_ONCE;
  int64_t count = 0;
  for (int64_t from = first; from < last; from += step) {
    const int64_t to = smaller(from + step, last);
    if (!is_whole) passes(p, 1, t, from, to, block, sums, 0);
    for (int64_t tile = from; tile < to; tile++) {
      int32_t *tile_sums = is_whole ? sums : sums + (tile - from) * size;
      if (is_whole) whole_tile(width, traits, accumulate, p, t, tile, tile_sums);
      count += decide_maxima(width, traits, side, p, t, tile, tile_sums, floors, found + count, upper + count);
    }
  }
  return count;
}

// `passes` is compiled once, the tile of a single pass into each of its callers.
#define INSTANCE(NAME, TARGET, WIDTH, TRAITS)                                                                      \
  TARGET static void passes_##NAME(const sk_panel *panels, int64_t count, const sk_traits *t, int64_t first,       \
                                   int64_t last, int64_t block, int32_t *sums, int64_t stride) {                   \
    passes(WIDTH, TRAITS, accumulate_##NAME, panels, count, t, first, last, block, sums, stride);                  \
  }                                                                                                                \
  TARGET static int64_t screen_##NAME(const sk_panel *panels, int64_t count, const sk_traits *t, int64_t first,    \
                                      int64_t last, int64_t block, int32_t *sums, uint64_t *found, float *upper) { \
    return screen(WIDTH, TRAITS, accumulate_##NAME, passes_##NAME, panels, count, t, first, last, block, sums,     \
                  found, upper);                                                                                   \
  }                                                                                                                \
  TARGET static int64_t maxima_##NAME(const sk_panel *p, const sk_traits *t, int64_t first, int64_t last,          \
                                      int64_t block, int32_t side, int32_t *sums, float *floors, uint64_t *found,  \
                                      float *upper) {                                                              \
    switch (side) {                                                                                                \
      case 0:                                                                                                      \
        return maxima(WIDTH, TRAITS, 0, accumulate_##NAME, passes_##NAME, p, t, first, last, block, sums, floors,  \
                      found, upper);                                                                               \
      case 1:                                                                                                      \
        return maxima(WIDTH, TRAITS, 1, accumulate_##NAME, passes_##NAME, p, t, first, last, block, sums, floors,  \
                      found, upper);                                                                               \
      default:                                                                                                     \
        return maxima(WIDTH, TRAITS, -1, accumulate_##NAME, passes_##NAME, p, t, first, last, block, sums, floors, \
                      found, upper);                                                                               \
    }                                                                                                              \
  }                                                                                                                \
  TARGET static void products_##NAME(const sk_panel *panels, int64_t count, const sk_traits *t, int64_t first,     \
                                     int64_t last, int64_t block, int32_t *sums) {                                 \
    products(WIDTH, TRAITS, accumulate_##NAME, passes_##NAME, panels, count, t, first, last, block, sums);         \
  }

INSTANCE(portable, , PORTABLE_WIDTH, PORTABLE_TRAITS)
#if defined(__x86_64__)
INSTANCE(avx2, __attribute__((target("avx2,fma"))), AVX2_WIDTH, AVX2_TRAITS)
INSTANCE(avx_vnni, __attribute__((target("avx2,fma,avxvnni"))), AVX_VNNI_WIDTH, AVX_VNNI_TRAITS)
INSTANCE(avx512_vnni, __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni,fma"))), AVX512_WIDTH,
         AVX512_TRAITS)
#elif defined(__aarch64__)
INSTANCE(neon_dot, __attribute__((target("dotprod"))), NEON_WIDTH, NEON_TRAITS)
#endif

// MARK: dispatch

typedef struct {
  sk_isa_shape shape;
  int64_t (*screen)(const sk_panel *, int64_t, const sk_traits *, int64_t, int64_t, int64_t, int32_t *, uint64_t *,
                    float *);
  int64_t (*maxima)(const sk_panel *, const sk_traits *, int64_t, int64_t, int64_t, int32_t, int32_t *, float *,
                    uint64_t *, float *);
  void (*products)(const sk_panel *, int64_t, const sk_traits *, int64_t, int64_t, int64_t, int32_t *);
} instance;

static const instance instances[SK_ISA_COUNT] = {
    [SK_PORTABLE] = {{"portable", PORTABLE_WIDTH, PORTABLE_TRAITS, 1, 0}, screen_portable, maxima_portable,
         products_portable},
#if defined(__x86_64__)
    [SK_AVX2] = {{"AVX2", AVX2_WIDTH, AVX2_TRAITS, 1, 1}, screen_avx2, maxima_avx2,
         products_avx2},
    [SK_AVX_VNNI] = {{"AVX-VNNI", AVX_VNNI_WIDTH, AVX_VNNI_TRAITS, 1, 0}, screen_avx_vnni, maxima_avx_vnni,
         products_avx_vnni},
    [SK_AVX512_VNNI] = {{"AVX512-VNNI", AVX512_WIDTH, AVX512_TRAITS, 0, 0}, screen_avx512_vnni, maxima_avx512_vnni,
         products_avx512_vnni},
#elif defined(__aarch64__)
    [SK_NEON_DOT] = {{"NEON sdot", NEON_WIDTH, NEON_TRAITS, 1, 0}, screen_neon_dot, maxima_neon_dot,
         products_neon_dot},
#endif
};

static int is_supported(sk_isa isa) {
  switch (isa) {
    case SK_PORTABLE:
      return 1;
#if defined(__x86_64__)
    case SK_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    case SK_AVX_VNNI:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("avxvnni");
    case SK_AVX512_VNNI:
      return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
             __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__) && defined(__linux__)
    case SK_NEON_DOT:
      return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
#elif defined(__aarch64__) && defined(__APPLE__)
    case SK_NEON_DOT:
      return 1;
#endif
    default:
      return 0;
  }
}

const sk_isa_shape *sk_shape(sk_isa isa) {
  return isa >= 0 && isa < SK_ISA_COUNT && instances[isa].screen && is_supported(isa) ? &instances[isa].shape : NULL;
}

int64_t sk_screen(sk_isa isa, const sk_panel *panels, int64_t count, const sk_traits *traits, int64_t first,
                  int64_t last, int64_t block, int32_t *sums, uint64_t *found, float *upper) {
  return instances[isa].screen(panels, count, traits, first, last, block, sums, found, upper);
}

int64_t sk_screen_maxima(sk_isa isa, const sk_panel *panel, const sk_traits *traits, int64_t first, int64_t last,
                         int64_t block, int32_t side, int32_t *sums, float *floors, uint64_t *found, float *upper) {
  return instances[isa].maxima(panel, traits, first, last, block, side, sums, floors, found, upper);
}

void sk_integer_products(sk_isa isa, const sk_panel *panels, int64_t count, const sk_traits *traits, int64_t first,
                         int64_t last, int64_t block, int32_t *sums) {
  instances[isa].products(panels, count, traits, first, last, block, sums);
}
