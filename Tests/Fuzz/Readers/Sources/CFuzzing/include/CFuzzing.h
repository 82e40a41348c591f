#pragma once
#include <stdbool.h>
#include <stdint.h>

// MARK: what goes wrong

// From here on whatever ends the process names the target and the seed.
void fuzz_watch(const char *target);

// An input begins; it has `seconds` of processor time to be read. With none the reading ends.
void fuzz_begin(uint64_t seed, uint32_t seconds);

// MARK: forms of files

typedef enum {
  fuzz_bgzf,
  fuzz_gzip,
  fuzz_zstd,
  fuzz_zlib,
} fuzz_form;

// Compresses; BGZF by blocks of `piece` bytes, with its end marker. Returns the length, or −1 where `capacity` is too small.
int64_t fuzz_pack(fuzz_form form, const uint8_t *bytes, int64_t count, int64_t piece, uint8_t *out, int64_t capacity);

// Takes gzip members, such as BGZF has, apart. Returns the length, or −1.
int64_t fuzz_unpack(const uint8_t *bytes, int64_t count, uint8_t *out, int64_t capacity);

// XXH3 of 128 bits, high half first.
void fuzz_hash(const uint8_t *bytes, int64_t count, uint64_t halves[2]);

// Writes a VCF as BCF, and indexes either. False on failure.
bool fuzz_bcf_from_vcf(const char *vcf, const char *bcf);
bool fuzz_index(const char *path, bool is_bcf);

// Runs SQL on a new database.
bool fuzz_database(const char *path, const char *script);
