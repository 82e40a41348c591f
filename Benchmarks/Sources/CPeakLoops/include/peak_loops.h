#pragma once
#include <stdint.h>

// What a core can do at most: independent multiply-adds on registers alone, with the instructions of each integer kernel.
// Each returns the number of operations done (a product and its addition count as two), 0 where the processor cannot.

int64_t peak_avx2_16(int64_t iterations);    // vpmaddubsw, vpaddw
int64_t peak_avx2_32(int64_t iterations);    // vpmaddubsw, vpmaddwd, vpaddd
int64_t peak_avx_vnni(int64_t iterations);   // vpdpbusd, 256 bits
int64_t peak_avx512_vnni(int64_t iterations);  // vpdpbusd, 512 bits
int64_t peak_neon_dot(int64_t iterations);   // sdot
