#pragma once
#include <stdbool.h>
#include <stdint.h>

// Random numbers that are the same everywhere (splitmix64).
typedef struct {
  uint64_t state;
} fuzz_random;

static inline uint64_t fuzz_next(fuzz_random *r) {
  uint64_t z = r->state += 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

// 0 … below − 1.
static inline int64_t fuzz_below(fuzz_random *r, int64_t below) { return (int64_t)(fuzz_next(r) % (uint64_t)below); }

// A decoder under test.
typedef struct {
  const char *name;
  // Writes a good input of at most `capacity` bytes; returns its length.
  int64_t (*good)(fuzz_random *random, uint8_t *input, int64_t capacity);
  // Decodes any input. Returns whether it was accepted; aborts when what came out cannot be.
  bool (*decode)(const uint8_t *input, int64_t length);
} fuzz_target;

extern const fuzz_target bgen_target, pgen_target;
