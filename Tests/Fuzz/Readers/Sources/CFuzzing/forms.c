#include "CFuzzing.h"

#include <htslib/bgzf.h>
#include <htslib/tbx.h>
#include <htslib/vcf.h>
#include <libdeflate.h>
#include <sqlite3.h>
#include <string.h>
#include <xxhash.h>
#include <zstd.h>

static int64_t pack_bgzf(const uint8_t *bytes, int64_t count, int64_t piece, uint8_t *out, int64_t capacity) {
  int64_t used = 0, here = 1;
  // The last block is empty: the end marker.
  for (int64_t from = 0; here > 0; from += here) {
    here = count - from < piece ? count - from : piece;
    size_t room = (size_t)(capacity - used);
    if (bgzf_compress(out + used, &room, bytes + from, (size_t)here, 1) != 0) return -1;
    used += (int64_t)room;
  }
  return used;
}

int64_t fuzz_pack(fuzz_form form, const uint8_t *bytes, int64_t count, int64_t piece, uint8_t *out, int64_t capacity) {
  if (form == fuzz_bgzf) return pack_bgzf(bytes, count, piece, out, capacity);
  if (form == fuzz_zstd) {
    const size_t used = ZSTD_compress(out, (size_t)capacity, bytes, (size_t)count, 1);
    return ZSTD_isError(used) ? -1 : (int64_t)used;
  }
  static struct libdeflate_compressor *deflate;
  if (!deflate) deflate = libdeflate_alloc_compressor(1);
  const size_t used = form == fuzz_gzip ? libdeflate_gzip_compress(deflate, bytes, (size_t)count, out, (size_t)capacity)
                                        : libdeflate_zlib_compress(deflate, bytes, (size_t)count, out, (size_t)capacity);
  return used > 0 ? (int64_t)used : -1;
}

int64_t fuzz_unpack(const uint8_t *bytes, int64_t count, uint8_t *out, int64_t capacity) {
  struct libdeflate_decompressor *inflate = libdeflate_alloc_decompressor();
  int64_t used = 0;
  while (count > 0) {
    size_t taken, made;
    if (libdeflate_gzip_decompress_ex(inflate, bytes, (size_t)count, out + used, (size_t)(capacity - used), &taken, &made) != 0) {
      used = -1;
      break;
    }
    bytes += taken, count -= (int64_t)taken, used += (int64_t)made;
  }
  libdeflate_free_decompressor(inflate);
  return used;
}

void fuzz_hash(const uint8_t *bytes, int64_t count, uint64_t halves[2]) {
  const XXH128_hash_t hash = XXH3_128bits(bytes, (size_t)count);
  halves[0] = hash.high64, halves[1] = hash.low64;
}

bool fuzz_bcf_from_vcf(const char *vcf, const char *bcf) {
  htsFile *in = hts_open(vcf, "r"), *out = hts_open(bcf, "wb");
  bcf_hdr_t *header = in ? bcf_hdr_read(in) : NULL;
  bcf1_t *record = bcf_init();
  bool good = out && header && record && bcf_hdr_write(out, header) == 0;
  while (good && bcf_read(in, header, record) == 0) good = bcf_write(out, header, record) == 0;
  if (record) bcf_destroy(record);
  if (header) bcf_hdr_destroy(header);
  if (in) hts_close(in);
  return out && hts_close(out) == 0 && good;
}

bool fuzz_index(const char *path, bool is_bcf) {
  return is_bcf ? bcf_index_build(path, 14) == 0 : tbx_index_build(path, 0, &tbx_conf_vcf) == 0;
}

bool fuzz_database(const char *path, const char *script) {
  sqlite3 *database = NULL;
  const bool good = sqlite3_open(path, &database) == SQLITE_OK && sqlite3_exec(database, script, NULL, NULL, NULL) == SQLITE_OK;
  return sqlite3_close(database) == SQLITE_OK && good;
}
