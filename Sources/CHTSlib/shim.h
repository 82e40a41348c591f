#pragma once
#include <htslib/bgzf.h>
#include <htslib/hts.h>
#include <htslib/hts_log.h>
#include <htslib/kstring.h>
#include <htslib/tbx.h>
#include <htslib/vcf.h>

// Macros of htslib that do not import.

/// Offset of the current block in the file.
static inline int64_t bgzf_position(BGZF *file) { return file->block_address; }

static inline hts_itr_t *tabix_query(tbx_t *index, int target, hts_pos_t start, hts_pos_t end) {
  return tbx_itr_queryi(index, target, start, end);
}

static inline hts_itr_t *bcf_query(const hts_idx_t *index, int target, hts_pos_t start, hts_pos_t end) {
  return bcf_itr_queryi(index, target, start, end);
}

static inline int tabix_next(htsFile *file, tbx_t *index, hts_itr_t *iterator, kstring_t *line) {
  return tbx_itr_next(file, index, iterator, line);
}

static inline int bcf_query_next(htsFile *file, hts_itr_t *iterator, bcf1_t *record) {
  return bcf_itr_next(file, iterator, record);
}

static inline const char *bcf_contig_name(const bcf_hdr_t *header, int id) {
  return id >= 0 && id < header->n[BCF_DT_CTG] ? header->id[BCF_DT_CTG][id].key : NULL;
}
