// Feeds decoders with mutated inputs; built with the address and undefined-behaviour sanitizers by Scripts/fuzz.
// usage: fuzz INPUTS SEED [TARGET…]
#include "fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const fuzz_target *const targets[] = {&bgen_target, &pgen_target};

enum { capacity = 1 << 18 };

// A few changes of bytes, bits, and pieces; returns the new length.
static int64_t mutate(fuzz_random *r, uint8_t *input, int64_t length) {
  for (int64_t changes = fuzz_below(r, 5); changes > 0 && length > 0; changes--) {
    // Headers stand first: half of the changes hit the first bytes.
    const int64_t reach = fuzz_below(r, 2) && length > 24 ? 24 : length;
    const int64_t at = fuzz_below(r, reach), count = fuzz_below(r, 4) ? 1 : 1 + fuzz_below(r, length - at);
    switch (fuzz_below(r, 7)) {
    case 0: input[at] = (uint8_t)fuzz_next(r); break;
    case 1: input[at] ^= (uint8_t)(1 << fuzz_below(r, 8)); break;
    case 2: input[at] = fuzz_below(r, 2) ? 0xFF : 0; break;
    case 3: length = fuzz_below(r, length + 1); break;
    case 4:
      memmove(input + at, input + at + count, (size_t)(length - at - count));
      length -= count;
      break;
    case 5:
      if (length + count > capacity) break;
      memmove(input + at + count, input + at, (size_t)(length - at));
      length += count;
      break;
    default:
      for (int64_t k = 0; k < count; k++) input[at + k] = (uint8_t)fuzz_next(r);
    }
  }
  return length;
}

static void run(const fuzz_target *target, int64_t inputs, uint64_t seed) {
  uint8_t *draft = malloc(capacity);
  int64_t accepted = 0, good = 0;
  for (int64_t i = 0; i < inputs; i++) {
    // Each input has its own seed: `fuzz 1 SEED` repeats one.
    fuzz_random random = {seed + (uint64_t)i};
    const int64_t whole = target->good(&random, draft, capacity);
    if (i % 16 == 0) {
      good++;
      if (!target->decode(draft, whole)) {
        fprintf(stderr, "%s: the good input of seed %llu is refused\n", target->name, (unsigned long long)(seed + i));
        abort();
      }
    }
    const int64_t length = mutate(&random, draft, whole);
    // Of the exact size, so that a read behind the end is seen.
    uint8_t *input = malloc((size_t)length + (length == 0));
    memcpy(input, draft, (size_t)length);
    accepted += target->decode(input, length);
    free(input);
  }
  free(draft);
  printf("%s: %lld mutated inputs, %.1f %% accepted; %lld good ones\n", target->name, (long long)inputs,
         inputs ? 100.0 * (double)accepted / (double)inputs : 0, (long long)good);
}

int main(int count, char **arguments) {
  if (count < 3) {
    fprintf(stderr, "usage: fuzz INPUTS SEED [TARGET...]\n");
    return 2;
  }
  const int64_t inputs = strtoll(arguments[1], NULL, 10);
  const uint64_t seed = strtoull(arguments[2], NULL, 10);
  int ran = 0;
  for (size_t t = 0; t < sizeof targets / sizeof *targets; t++) {
    bool wanted = count == 3;
    for (int k = 3; k < count; k++) wanted |= strcmp(arguments[k], targets[t]->name) == 0;
    if (!wanted) continue;
    run(targets[t], inputs, seed);
    ran++;
  }
  if (ran == 0) fprintf(stderr, "fuzz: no such target\n");
  return ran == 0;
}
