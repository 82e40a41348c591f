// Compares the integer kernels with naive sums and the rules of integer_products.h:
//   check_kernels [portable] [AVX2] [AVX-VNNI] [AVX512-VNNI] ["NEON sdot"]
// Without arguments it takes every instruction set that is available; one that is named must be.
//
// Sums and the survivors of sk_screen are compared bit by bit. Its floats are chosen so that products in the bounds are
// exact: comparisons then do not depend on whether the compiler fuses multiplications and additions. sk_screen_maxima
// divides and rounds: what it reports is held against what it promises, in double.
#include "integer_codes.h"
#include "integer_products.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { RANDOM, EXTREME_HIGH, EXTREME_LOW, EXTREME_MIXED, PATTERN_COUNT } pattern;
enum { PANELS = 2 };
typedef enum { NONE, SPARSE, DENSE, SOME_TILES, HIGH_COUNT } high_digits;

static uint64_t state = 88172645463325252u;
static uint32_t draw(uint32_t below) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return (uint32_t)(state >> 32) % below;
}

static void *room(size_t bytes) {
  void *p = calloc(bytes + 64, 1);
  if (!p) abort();
  return p;
}

static int trait_digit(pattern of) {
  switch (of) {
    case EXTREME_HIGH: return 127;
    case EXTREME_LOW: return -127;
    case EXTREME_MIXED: return draw(2) ? 127 : -127;
    default: return (int)draw(255) - 127;
  }
}

static int64_t cases, failures;
static void expect(int same, const char *what, const char *name, int64_t n, int64_t largest, int of, int high,
                   int64_t block) {
  cases++;
  if (same) return;
  if (failures++ < 20)
    fprintf(stderr, "%s: %s differ: n = %" PRId64 ", codes to %" PRId64 ", pattern %d, high %d, block %" PRId64 "\n",
            name, what, n, largest, of, high, block);
}

// The rule of integer_products.h, one pair after the other, of the panel whose first lane is `lane`.
static int64_t naive_screen(const sk_isa_shape *s, const sk_panel *p, int64_t lane, const sk_traits *t, int64_t first,
                            int64_t last, const int32_t *sums, uint64_t *found, float *upper) {
  int64_t count = 0;
  for (int64_t slot = first * s->traits; slot < last * s->traits; slot++)
    for (int64_t v = 0; v < s->width; v++) {
      const uint64_t pair = (uint64_t)slot << 32 | (uint64_t)v;
      int32_t sum = sums[(slot - first * s->traits) * s->width + v];
      for (int64_t i = 0; i < p->excluded_count; i++)
        if (p->excluded[i] == pair) sum = 0;
      const float e = fabsf((float)sum), scale = t->scale[slot], error = t->error[slot] * p->error[v];
      float bound = t->reach[slot] * p->lower[t->length_row[slot] * p->lower_stride + v];
      if (p->best) bound = fminf(bound, scale * p->best[v]);
      if (e < bound - error - scale * p->offset[v]) continue;
      found[count] = pair + (uint64_t)lane;
      if (p->best) {
        const float slack = error / scale + p->offset[v];
        upper[count] = (1 + 1e-6f) * (e / scale + slack);
        p->best[v] = fmaxf(p->best[v], (1 - 1e-6f) * e / scale - slack);
      }
      count++;
    }
  return count;
}

// Whether survivors, floors and upper bounds are as sk_screen_maxima promises; `sums` are those of tiles from `first` on.
// The kernel widens by 1e-6 of |E|, 1e-5 of u, and 1e-6, which covers its roundings: it may exceed the exact bounds by
// twice that (`tolerance`), and fall short of none. Only the comparison with a floor rounds unprotected, by a few 6e-8
// of its terms.
static int maxima_hold(const sk_isa_shape *s, const sk_panel *p, const sk_traits *t, int64_t first, int64_t last,
                       int32_t side, const int32_t *sums, const float *before, const float *after, int64_t count,
                       const uint64_t *found, const float *upper, int *place) {
  const int64_t pairs = (last - first) * s->traits * s->width;
  if (count < 0 || count > pairs) return 0;
  for (int64_t k = 0; k < pairs; k++) place[k] = -1;
  for (int64_t k = 0; k < count; k++) {
    const int64_t slot = (int64_t)(found[k] >> 32) - first * s->traits, v = (int64_t)(found[k] & 0xFFFFFFFF);
    if (slot < 0 || v >= s->width || slot * s->width + v >= pairs || place[slot * s->width + v] >= 0) return 0;
    place[slot * s->width + v] = (int)k;
  }
  for (int64_t slot = first * s->traits; slot < last * s->traits; slot++) {
    const double floor = after[slot], start = before[slot];
    double reached = start, least = start;
    for (int64_t v = 0; v < s->width; v++) {
      const int64_t pair = (slot - first * s->traits) * s->width + v;
      const double e = side ? (double)side * sums[pair] : fabs((double)sums[pair]), scale = t->scale[slot];
      const double slack = (double)t->error[slot] * p->error[v] / scale + p->offset[v], u = p->lower[v];
      if (isnan(u)) {
        if (place[pair] < 0) return 0;
        continue;
      }
      const double high = (e / scale + slack) / u, low = (e / scale - slack) / u, size = (fabs(e) / scale + slack) / u;
      const double tolerance = 2e-5 * size + 2e-6;
      if (place[pair] >= 0) {
        const double bound = upper[place[pair]];
        if (!(bound >= high && bound <= high + tolerance && high >= start - tolerance - 2e-5 * fabs(start))) return 0;
        reached = fmax(reached, low);
      } else if (!(high < floor + 5e-7 * (fabs(floor) + size))) {
        return 0;
      }
      least = fmax(least, low - tolerance);
    }
    if (!(floor >= least && floor <= reached)) return 0;
  }
  return 1;
}

static void check(sk_isa isa, const sk_isa_shape *s, int64_t n, int64_t largest, pattern of, high_digits digits) {
  const int64_t tiles = 3, width = s->width, traits = s->traits, groups = (n + 3) / 4, size = width * traits;
  const int64_t slots = tiles * traits, lanes = PANELS * width;
  // Lane by lane into a panel full of rubbish: only what lies beyond n must become zero.
  uint8_t *codes = room((size_t)(lanes * n)), *placed = room((size_t)(groups * lanes * 4));
  memset(placed, 0xA5, (size_t)(groups * lanes * 4));
  for (int64_t v = 0; v < lanes; v++) {
    for (int64_t i = 0; i < n; i++)
      codes[v * n + i] = (uint8_t)(of == RANDOM ? draw((uint32_t)largest + 1)
                                   : of == EXTREME_MIXED ? draw(2) * (uint32_t)largest : (uint32_t)largest);
    sk_place_codes(codes + v * n, n, width, v % width, placed + v / width * groups * width * 4);
  }
  int8_t *low = room((size_t)(slots * groups * 4)), *high = room((size_t)(slots * groups * 4));
  int16_t *values = room((size_t)(slots * n) * 2);
  int64_t high_start[4] = {0};
  int32_t *high_group = room((size_t)(tiles * groups) * 4);
  for (int64_t tile = 0, entry = 0; tile < tiles; tile++) {
    for (int64_t k = 0; k < groups; k++) {
      const int has_high = digits == DENSE || (digits == SPARSE && draw(5) == 0) || (digits == SOME_TILES && tile == 1);
      for (int64_t j = 0; j < traits; j++)
        for (int64_t i = 4 * k; i < 4 * k + 4; i++) {
          const int l = trait_digit(of), h = has_high ? trait_digit(of) : 0;
          // Padding of the traits is zero as the encoder leaves it.
          if (i >= n) continue;
          low[((tile * groups + k) * traits + j) * 4 + i % 4] = (int8_t)l;
          high[(entry * traits + j) * 4 + i % 4] = (int8_t)h;
          values[(tile * traits + j) * n + i] = (int16_t)(254 * h + l);
        }
      if (has_high) high_group[entry++] = (int32_t)k;
    }
    high_start[tile + 1] = entry;
  }

  const size_t pairs = (size_t)(PANELS * tiles * size);
  int32_t *expected = room(pairs * 4), *sums = room(pairs * 4);
  for (int64_t slot = 0; slot < slots; slot++)
    for (int64_t v = 0; v < lanes; v++) {
      int64_t sum = 0;
      for (int64_t i = 0; i < n; i++) sum += (int64_t)codes[v * n + i] * values[slot * n + i];
      expected[(v / width * slots + slot) * width + v % width] = (int32_t)(uint32_t)(uint64_t)sum;
    }

  // Bounds near the sums' size, of a few bits each.
  float *reach = room((size_t)slots * 4), *scale = room((size_t)slots * 4), *error = room((size_t)slots * 4);
  int32_t *length_row = room((size_t)slots * 4);
  const float unit = exp2f(rintf(log2f((float)(largest * n) * (digits == NONE ? 1 : 254))) - 2);
  for (int64_t j = 0; j < slots; j++) {
    reach[j] = unit * (float)(1 + draw(8));
    scale[j] = (float)(1 << draw(4));
    error[j] = (float)(1 + draw(7));
    length_row[j] = (int32_t)draw(2);
  }
  float lower[2 * PANELS * 80], kappa[PANELS * 64], offset[PANELS * 64], best[PANELS * 64], expected_best[PANELS * 64];
  for (int64_t v = 0; v < 2 * PANELS * 80; v++) lower[v] = (float)(1 + draw(63));
  for (int64_t v = 0; v < lanes; v++) {
    kappa[v] = (float)draw(16);
    offset[v] = (float)draw(16);
  }
  // An infinite bound discards, one that is no number does not.
  for (int row = 0; row < 2 * PANELS; row++) lower[row * 80 + width - 1] = INFINITY;
  lower[0] = NAN;
  uint64_t excluded[] = {0, (uint64_t)1 << 32 | 3, (uint64_t)(traits - 1) << 32 | 5, (uint64_t)traits << 32 | 2,
                         (uint64_t)(slots - 1) << 32 | 1};
  sk_traits t = {groups, low, high_start, high_group, high, reach, scale, error, length_row};
  sk_panel panels[PANELS];
  for (int64_t k = 0; k < PANELS; k++)
    panels[k] = (sk_panel){placed + k * groups * width * 4, sk_depth(largest), lower + 80 * k, 80 * PANELS,
                           kappa + k * width, offset + k * width, NULL, excluded + k, 0};
  uint64_t *found = room(pairs * 8), *expected_found = room(pairs * 8);
  float *upper = room(pairs * 4), *expected_upper = room(pairs * 4);

  // For maxima: |r| of order 1, as it is where the promises matter, with slack up to a tenth.
  float *maxima_scale = room((size_t)slots * 4), *maxima_error = room((size_t)slots * 4);
  float lengths[PANELS * 64], small[PANELS * 64];
  float *floors = room((size_t)slots * 4), *floors_before = room((size_t)slots * 4);
  int *place = room(pairs * sizeof(int));
  for (int64_t j = 0; j < slots; j++) {
    maxima_scale[j] = 64 * unit * (float)(1 + draw(100));
    maxima_error[j] = unit * (float)draw(100) / 100;
  }
  for (int64_t v = 0; v < lanes; v++) {
    lengths[v] = 1 / (float)(1 + draw(4)) + (float)draw(1000) / 1000;
    small[v] = (float)draw(100) / 1000;
  }
  lengths[3] = NAN;
  sk_traits maxima_traits = {groups, low, high_start, high_group, high, NULL, maxima_scale, maxima_error, NULL};

  const int64_t blocks[] = {groups, (groups + 1) / 2, groups + 5, 64, 7, 1};
  for (int b = 0; b < 6; b++)
    for (int64_t first = 0; first < 2; first++)
      for (int64_t last = tiles; last > first; last--) {
        const int64_t block = blocks[b], count = 1 + (b + first + last) % PANELS;
        const size_t each = (size_t)((last - first) * size);
        memset(sums, 0x5A, pairs * 4);
        sk_integer_products(isa, panels, count, &t, first, last, block, sums);
        int same = 1;
        for (int64_t k = 0; k < count; k++)
          same &= !memcmp(sums + (size_t)k * each, expected + (k * tiles + first) * size, each * 4);
        expect(same, "sums", s->name, n, largest, of, digits, block);
        for (int mode = 0; mode < 4; mode++) {
          for (int64_t v = 0; v < lanes; v++) best[v] = expected_best[v] = unit * (float)draw(16);
          int64_t wanted = 0;
          for (int64_t k = 0; k < count; k++) {
            sk_panel *p = panels + k;
            p->excluded_count = mode & 1 ? 5 - k : 0;
            p->best = mode & 2 ? expected_best + k * width : NULL;
            wanted += naive_screen(s, p, k * width, &t, first, last, expected + (k * tiles + first) * size,
                                   expected_found + wanted, expected_upper + wanted);
            p->best = mode & 2 ? best + k * width : NULL;
          }
          memset(sums, 0x5A, pairs * 4);
          const int64_t reported = sk_screen(isa, panels, count, &t, first, last, block, sums, found, upper);
          // So few tiles are reported panel by panel.
          expect(reported == wanted && !memcmp(found, expected_found, (size_t)wanted * 8) &&
                     (!(mode & 2) || (!memcmp(upper, expected_upper, (size_t)wanted * 4) &&
                                      !memcmp(best, expected_best, (size_t)lanes * 4))),
                 mode & 2 ? "survivors of maxima" : "survivors", s->name, n, largest, of, digits, block);
        }
        const int32_t side = (int32_t)((b + first + last) % 3) - 1;
        const int64_t k = (b + last) % PANELS;
        const sk_panel p = {panels[k].codes, panels[k].depth, lengths + k * width, 0, kappa + k * width,
                            small + k * width, NULL, NULL, 0};
        for (int64_t j = 0; j < slots; j++)
          floors[j] = floors_before[j] =
              draw(8) == 0 ? INFINITY : (float)draw(100) / 200 - (side ? (float)draw(2) : 0);
        memset(sums, 0x5A, pairs * 4);
        const int64_t reported =
            sk_screen_maxima(isa, &p, &maxima_traits, first, last, block, side, sums, floors, found, upper);
        expect(maxima_hold(s, &p, &maxima_traits, first, last, side, expected + (k * tiles + first) * size,
                           floors_before, floors, reported, found, upper, place),
               "maxima by trait", s->name, n, largest, of, digits, block);
      }
  free(codes), free(placed), free(low), free(high), free(values), free(high_group), free(expected), free(sums);
  free(reach), free(scale), free(error), free(length_row), free(found), free(expected_found);
  free(upper), free(expected_upper), free(maxima_scale), free(maxima_error), free(floors), free(floors_before);
  free(place);
}

int main(int argc, char **argv) {
  static const int64_t sizes[] = {1, 2, 3, 4, 5, 7, 8, 63, 130, 261, 517};
  static const int64_t largest[] = {1, 2, 3, 16, 43, 64, 65, 127, 255};
  for (int isa = 0; isa < SK_ISA_COUNT; isa++) {
    const sk_isa_shape *s = sk_shape((sk_isa)isa);
    int wanted = argc == 1;
    for (int i = 1; s && i < argc; i++)
      if (argv[i] && !strcmp(argv[i], s->name)) {
        argv[i] = NULL;
        wanted = 1;
      }
    if (!s || !wanted) continue;
    cases = 0;
    const int64_t before = failures;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
      for (size_t l = 0; l < sizeof largest / sizeof *largest; l++) {
        // Eight bits need an instruction that neither saturates nor reads genotypes as signed.
        if (largest[l] > 127 && (isa == SK_AVX2 || isa == SK_NEON_DOT)) continue;
        for (int of = 0; of < PATTERN_COUNT; of++)
          for (int digits = 0; digits < HIGH_COUNT; digits++)
            check((sk_isa)isa, s, sizes[i], largest[l], (pattern)of, (high_digits)digits);
      }
    printf("%s: %" PRId64 " comparisons, %" PRId64 " differ\n", s->name, cases, failures - before);
  }
  for (int i = 1; i < argc; i++)
    if (argv[i]) {
      fprintf(stderr, "%s: not available here\n", argv[i]);
      failures++;
    }
  return failures != 0;
}
