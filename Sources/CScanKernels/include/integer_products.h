#pragma once
#include <stdint.h>

// The integer screen: exact products of genotype codes (0…127, VNNI and portable: 0…255) with trait codes (−127…127), and the comparison that follows
// each tile while its sums are in the first-level cache.
//
// Samples are taken in groups of four, the unit of the 8-bit dot-product instructions; the last group is padded with zeros.
//   variants  [panel][group][width][4]     unsigned bytes
//   traits    [tile][group][traits][4]     signed bytes
// A trait code of more than 8 bits is 254·high + low. High digits are stored for the groups that have any, by tile.

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  SK_PORTABLE,
  SK_AVX2,         // vpmaddubsw, summed in 16 bits as long as they cannot overflow
  SK_AVX_VNNI,     // vpdpbusd, 256 bits
  SK_AVX512_VNNI,  // vpdpbusd, 512 bits
  SK_NEON_DOT,     // sdot
  SK_ISA_COUNT
} sk_isa;

typedef struct {
  const char *name;
  int32_t width;            // variants per panel
  int32_t traits;           // traits per tile
  int32_t panel_in_l1;      // whether a panel's part is meant for the first-level cache or the second
  int32_t sums_in_16_bits;  // whether small genotype codes make it faster
} sk_isa_shape;

// NULL where this build or this processor has no such instructions.
const sk_isa_shape *sk_shape(sk_isa isa);

// Groups that sums of 16 bits can hold: 2 products of at most largest·127 are added to each in every group.
static inline int64_t sk_depth(int64_t largest_code) {
  return largest_code > 0 ? 32767 / (2 * 127 * largest_code) : 64;
}

typedef struct {
  int64_t groups;
  const int8_t *low;          // [tile][group][traits][4]
  const int64_t *high_start;  // [tiles + 1]: entries of each tile
  const int32_t *high_group;  // [entry], ascending in a tile
  const int8_t *high;         // [entry][traits][4]
  const float *reach;         // [slot = tile·traits + j]: s·floor
  const float *scale;         // [slot]: s
  const float *error;         // [slot]: λ
  const int32_t *length_row;  // [slot]: row of `lower`
} sk_traits;

typedef struct {
  const uint8_t *codes;    // [group][width][4], one panel
  int64_t depth;           // sk_depth of the panel's largest code
  const float *lower;      // u of the panel's first variant, row 0
  int64_t lower_stride;    // from one row to the next
  const float *error;      // κ, [width]
  const float *offset;     // d, [width]
  float *best;             // [width] running maxima, or NULL
  const uint64_t *excluded;  // pairs (slot << 32 | lane) that count as zero, ascending
  int64_t excluded_count;
} sk_panel;

// Pairs of the panels with the traits of tiles [first, last) that cannot be discarded, as slot << 32 | panel·width + lane, in no
// order; returns how many.
// With E the integer product, a pair is discarded iff
//   |E| < reach·u − error·κ − scale·d                                      (best == NULL)
//   |E| < min(reach·u, scale·best) − error·κ − scale·d                     (else)
// and `best` becomes at least (|E| − error·κ)/scale − d; then upper receives (|E| + error·κ)/scale + d of every pair reported.
// block: groups per pass over the samples. With fewer than all of them, a part of the traits is read from memory once for all panels
// of the call; else panels gain nothing from company. found, upper: room for count·(last − first)·traits·width; sums: as many, or
// traits·width when there is one pass.
int64_t sk_screen(sk_isa isa, const sk_panel *panels, int64_t count, const sk_traits *traits, int64_t first,
                  int64_t last, int64_t block, int32_t *sums, uint64_t *found, float *upper);

// For every trait its largest r over panels: with r in place of s·floor·u and side 0, 1 or −1 for |E|, E or −E, a pair is discarded
// iff  E < scale·(floors[slot]·u − d) − error·κ, u = s_v‖Mg‖ rounded down by at most 2⁻¹⁸ of itself. floors becomes at least
// ((E − error·κ)/scale − d)/u, and upper receives ((E + error·κ)/scale + d)/u of every pair reported. `reach` is not read.
// sums, found, upper: room for (last − first)·traits·width.
int64_t sk_screen_maxima(sk_isa isa, const sk_panel *panel, const sk_traits *traits, int64_t first, int64_t last,
                         int64_t block, int32_t side, int32_t *sums, float *floors, uint64_t *found, float *upper);

// The sums E themselves, [panel][tile][traits][width]; of a panel only codes and depth are read.
void sk_integer_products(sk_isa isa, const sk_panel *panels, int64_t count, const sk_traits *traits, int64_t first,
                         int64_t last, int64_t block, int32_t *sums);

#ifdef __cplusplus
}
#endif
