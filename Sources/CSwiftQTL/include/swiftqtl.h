/// SwiftQTL from C: eQTL scans of files or arrays, results as columns.
///
/// Conventions
/// - Every fallible function returns a status, `SWIFTQTL_OK` or what went wrong, and then fills `*error` unless `error` is NULL;
///   the caller frees it. Outputs are written on success only.
/// - Handles are opaque and belong to the caller, who frees each once; freeing NULL does nothing. A handle may be freed while another
///   that was made from it lives on.
/// - Strings are UTF-8. Lists of strings are bytes with offsets (`swiftqtl_strings`). What is said to be *borrowed* must stay as it is
///   until the handle and all made from it are freed; all else is copied.
/// - Samples are joined by id, so tables may have different orders and samples.
/// - Structs but `swiftqtl_strings` begin with their own size, `sizeof` the struct, so that later versions can add fields at their ends.
/// - There is no state outside the handles. Different handles may be used from different threads at once; one may be read by
///   several, a study or a result too. Only OpenBLAS's number of threads belongs to the whole process: scans set it to 1.
#ifndef SWIFTQTL_H
#define SWIFTQTL_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/// Of this header. A library serves headers of its own number; within one, structs and functions are only added.
#define SWIFTQTL_ABI_VERSION 1

/// The library's, to be compared with `SWIFTQTL_ABI_VERSION`.
int32_t swiftqtl_abi_version(void);
/// As `swiftqtl --version` prints it. Not to be freed.
const char *swiftqtl_version(void);

// --- Errors

#define SWIFTQTL_OK 0
/// A value that the function does not take.
#define SWIFTQTL_INVALID_ARGUMENT 1
/// A file breaks its own format.
#define SWIFTQTL_MALFORMED 2
/// Tables are well formed but disagree with each other or with the options.
#define SWIFTQTL_INCONSISTENT 3
/// Well formed, but there is nothing to estimate.
#define SWIFTQTL_DEGENERATE 4
/// A path cannot be read or written, memory or disk is short.
#define SWIFTQTL_ENVIRONMENT 5
/// The progress function said so.
#define SWIFTQTL_CANCELLED 6
#define SWIFTQTL_INTERNAL 7

typedef struct swiftqtl_error swiftqtl_error;

/// `SWIFTQTL_OK` of NULL.
int32_t swiftqtl_error_code(const swiftqtl_error *error);
/// The cause with file and line, and on a second line what can be done. Lives as long as `error`; empty of NULL.
const char *swiftqtl_error_message(const swiftqtl_error *error);
void swiftqtl_error_free(swiftqtl_error *error);

// --- Lists of strings

/// String i is bytes[offsets[i]] up to, not including, bytes[offsets[i + 1]]: `count` + 1 offsets, ascending from 0.
typedef struct {
  const char *bytes;
  const int64_t *offsets;
  int64_t count;
} swiftqtl_strings;

// --- Inputs

typedef struct swiftqtl_genotypes swiftqtl_genotypes;
typedef struct swiftqtl_phenotypes swiftqtl_phenotypes;
typedef struct swiftqtl_covariates swiftqtl_covariates;
typedef struct swiftqtl_kinship swiftqtl_kinship;

/// DS where a VCF declares it, else GT, else GP.
#define SWIFTQTL_DOSAGE_FIELD_AUTOMATIC 0
#define SWIFTQTL_DOSAGE_FIELD_GT 1
#define SWIFTQTL_DOSAGE_FIELD_DS 2
#define SWIFTQTL_DOSAGE_FIELD_GP 3

/// Opens genotype files: every kind that the program reads, seen from its content; several are one source.
///
/// `locations`, of text dosages only, may be NULL.
int32_t swiftqtl_genotypes_open(const swiftqtl_strings *paths, int32_t dosage_field, const char *locations,
                                swiftqtl_genotypes **out, swiftqtl_error **error);

/// What is known of variants. Chromosomes and positions or neither; alleles may be NULL.
typedef struct {
  size_t size;
  swiftqtl_strings ids;
  const swiftqtl_strings *chromosomes;
  /// 1-based.
  const int64_t *positions;
  const swiftqtl_strings *ref;
  /// The allele that dosages count.
  const swiftqtl_strings *alt;
} swiftqtl_variants;

/// Hard calls in memory: element (variant v, sample s) at values[v * variant_stride + s * sample_stride], 0 to 2 copies of ALT;
/// 3 and negative numbers are missing, larger ones are refused by the scan that meets them. All arrays are borrowed.
int32_t swiftqtl_genotypes_from_int8(const int8_t *values, int64_t variant_stride, int64_t sample_stride,
                                     const swiftqtl_strings *samples, const swiftqtl_variants *variants,
                                     swiftqtl_genotypes **out, swiftqtl_error **error);

/// Dosages in memory, 0 to 2; NaN and negative numbers are missing, larger ones are refused. Otherwise as from int8.
int32_t swiftqtl_genotypes_from_float32(const float *values, int64_t variant_stride, int64_t sample_stride,
                                        const swiftqtl_strings *samples, const swiftqtl_variants *variants,
                                        swiftqtl_genotypes **out, swiftqtl_error **error);

/// −1 where it is not known before the genotypes are read.
int64_t swiftqtl_genotypes_variant_count(const swiftqtl_genotypes *genotypes);
int64_t swiftqtl_genotypes_sample_count(const swiftqtl_genotypes *genotypes);
void swiftqtl_genotypes_free(swiftqtl_genotypes *genotypes);

/// Reads BED or a matrix with a phenotype per row. `locations` may be NULL. `threads` 0: the cores this process may use.
int32_t swiftqtl_phenotypes_open(const char *path, const char *locations, int32_t threads,
                                 swiftqtl_phenotypes **out, swiftqtl_error **error);

/// What is known of phenotypes. Chromosomes, starts and ends (1-based, closed) or none of them; groups may be NULL.
typedef struct {
  size_t size;
  swiftqtl_strings ids;
  const swiftqtl_strings *chromosomes;
  const int64_t *starts;
  const int64_t *ends;
  /// Phenotypes with the same name are mapped as one where `grouped` asks for it; an empty name is none.
  const swiftqtl_strings *groups;
} swiftqtl_features;

/// Element (phenotype p, sample s) at values[p * feature_stride + s * sample_stride]; NaN is missing. Copied.
int32_t swiftqtl_phenotypes_from_float64(const double *values, int64_t feature_stride, int64_t sample_stride,
                                         const swiftqtl_strings *samples, const swiftqtl_features *features,
                                         swiftqtl_phenotypes **out, swiftqtl_error **error);
int64_t swiftqtl_phenotypes_feature_count(const swiftqtl_phenotypes *phenotypes);
int64_t swiftqtl_phenotypes_sample_count(const swiftqtl_phenotypes *phenotypes);
void swiftqtl_phenotypes_free(swiftqtl_phenotypes *phenotypes);

/// Reads covariates in rows or in columns: the side on which samples of `phenotypes` are found.
int32_t swiftqtl_covariates_open(const char *path, const swiftqtl_phenotypes *phenotypes,
                                 swiftqtl_covariates **out, swiftqtl_error **error);
/// Element (sample s, covariate c) at values[s * sample_stride + c * covariate_stride]; without the intercept. Copied.
int32_t swiftqtl_covariates_from_float64(const double *values, int64_t sample_stride, int64_t covariate_stride,
                                         const swiftqtl_strings *samples, const swiftqtl_strings *names,
                                         swiftqtl_covariates **out, swiftqtl_error **error);
void swiftqtl_covariates_free(swiftqtl_covariates *covariates);

/// Reads a relationship matrix: GCTA's prefix (.grm.bin, .grm.id) or text.
int32_t swiftqtl_kinship_open(const char *path, swiftqtl_kinship **out, swiftqtl_error **error);
/// A symmetric matrix, samples × samples. Copied.
int32_t swiftqtl_kinship_from_float64(const double *values, const swiftqtl_strings *samples,
                                      swiftqtl_kinship **out, swiftqtl_error **error);
void swiftqtl_kinship_free(swiftqtl_kinship *kinship);

// --- Studies

typedef struct swiftqtl_study swiftqtl_study;

/// Joins the tables by sample.
///
/// `covariates`, `kinship` and `samples` (only these) may be NULL. With a kinship all scans fit mixed models,
/// y = Wα + gβ + u + ε, Var u = h²·K. `shares_chromosomes`: whether disjoint chromosome names of genotypes and phenotypes are an
/// error; 0 where near and far pairs need not be told apart.
int32_t swiftqtl_study_create(const swiftqtl_genotypes *genotypes, const swiftqtl_phenotypes *phenotypes,
                              const swiftqtl_covariates *covariates, const swiftqtl_kinship *kinship,
                              const swiftqtl_strings *samples, int32_t shares_chromosomes, swiftqtl_study **out,
                              swiftqtl_error **error);
/// The same with terms that interact with the genotype, a column each: complete, and in the model of scans for interactions only.
///
/// `interactions`, read or copied as covariates are, may be NULL.
int32_t swiftqtl_study_create_with_interactions(const swiftqtl_genotypes *genotypes, const swiftqtl_phenotypes *phenotypes,
                                                const swiftqtl_covariates *covariates,
                                                const swiftqtl_covariates *interactions, const swiftqtl_kinship *kinship,
                                                const swiftqtl_strings *samples, int32_t shares_chromosomes,
                                                swiftqtl_study **out, swiftqtl_error **error);
/// Analysed samples.
int64_t swiftqtl_study_sample_count(const swiftqtl_study *study);
/// What was joined and assumed, for a log: a line each. Lives as long as the study.
swiftqtl_strings swiftqtl_study_notes(const swiftqtl_study *study);
void swiftqtl_study_free(swiftqtl_study *study);

// --- Scans

/// Called by the scan, from any thread, one call at a time: the share of the work that is done, 0 to 1, tests and rows so far. A value
/// other than 0 cancels the scan.
typedef int32_t (*swiftqtl_progress)(void *data, double fraction, int64_t tests, int64_t rows);

#define SWIFTQTL_TWO_SIDED 0
#define SWIFTQTL_GREATER 1
#define SWIFTQTL_LESS 2

/// The start site in trans scans; in cis scans the interval if any phenotype is longer than a base, else the start site.
#define SWIFTQTL_ANCHOR_DEFAULT 0
#define SWIFTQTL_ANCHOR_TSS 1
#define SWIFTQTL_ANCHOR_INTERVAL 2

#define SWIFTQTL_INSTRUCTIONS_FASTEST 0
#define SWIFTQTL_INSTRUCTIONS_PORTABLE 1

#define SWIFTQTL_QVALUE_SMOOTHER 0
#define SWIFTQTL_QVALUE_BOOTSTRAP 1
#define SWIFTQTL_QVALUE_BH 2

/// Options of all scans: those of the program, with its defaults.
typedef struct {
  size_t size;
  /// 0: the cores this process may use.
  int32_t threads;
  /// How pairs are screened in integers; no result depends on it.
  int32_t instructions;
  /// Bytes; 0: three quarters of the machine's.
  int64_t memory;
  uint64_t seed;
  /// NULL for none. Called at most ten times a second.
  swiftqtl_progress progress;
  void *progress_data;

  /// Variants: minimum minor allele frequency and count, maximum share of missing samples, minimum Hardy–Weinberg p.
  double maf;
  double mac;
  double max_missing;
  double hwe;

  /// Whether phenotypes are transformed to normal quantiles.
  int32_t normal;
  int32_t alternative;
  int32_t window_from;
  /// Mixed models: whether h² is estimated anew with the variant in the model.
  int32_t lmm_exact;
  /// Mixed models: GEMMA's score test.
  int32_t lmm_score;
  /// Mixed models: most sets of missing samples among phenotypes.
  int32_t max_patterns;

  /// Trans: pairs with p at most this are reported.
  double pval_threshold;
  /// Trans: pairs closer than this on one chromosome are not tested; −1: all are.
  int64_t exclude_cis;
  /// Trans: whether pairs get a Benjamini–Hochberg q over all tests.
  int32_t q;

  /// Permutations, independent signals: whether phenotypes are mapped by group.
  int32_t grouped;
  /// Cis: bases on either side of a phenotype.
  int64_t window;
  /// Copies of each phenotype; at most so many where `successes` is not 0.
  int64_t permutations;
  /// 0, or: until so many copies are as significant as the phenotype.
  int64_t successes;
  /// False discovery rate of phenotypes.
  double fdr;
  /// λ of Storey's π₀; NaN for the method.
  double qvalue_lambda;
  int32_t qvalue_method;

  /// Interactions: minimum minor allele frequency on either side of each term's median.
  double maf_interaction;
  /// Interactions in cis: whether only each phenotype's lead for each term is wanted, with its corrected p.
  int32_t best;
  /// Independent signals: at most so many of a gene; 0: any number.
  int32_t max_signals;
  /// Mixed models: whether h² may be negative.
  int32_t reml_no_constrain;
} swiftqtl_options;

/// Fills in the defaults. `size`: `sizeof(swiftqtl_options)`.
void swiftqtl_options_init(swiftqtl_options *options, size_t size);

typedef struct swiftqtl_results swiftqtl_results;

/// All variants against all phenotypes; rows are pairs with p ≤ `pval_threshold`. `options` NULL: the defaults.
int32_t swiftqtl_trans(const swiftqtl_study *study, const swiftqtl_options *options, swiftqtl_results **out,
                       swiftqtl_error **error);
/// Every variant in the window of each phenotype; rows are pairs.
int32_t swiftqtl_cis_nominal(const swiftqtl_study *study, const swiftqtl_options *options, swiftqtl_results **out,
                             swiftqtl_error **error);
/// The best variant of each phenotype, its p over the window by permutations, and q; a row for each phenotype (or group).
int32_t swiftqtl_cis_permute(const swiftqtl_study *study, const swiftqtl_options *options, swiftqtl_results **out,
                             swiftqtl_error **error);

/// The nominal p that signals of genes need: the `pval_nominal_threshold` of permutations, of genes that are significant.
typedef struct {
  size_t size;
  /// Phenotypes or, with `grouped`, groups. Genes that are not among these are not analysed.
  swiftqtl_strings ids;
  /// As many; NaN: not analysed.
  const double *thresholds;
} swiftqtl_genes;

/// Independent signals of genes by forward-backward regression; a row for each signal.
int32_t swiftqtl_cis_independent(const swiftqtl_study *study, const swiftqtl_genes *genes, const swiftqtl_options *options,
                                 swiftqtl_results **out, swiftqtl_error **error);
/// Every variant in the window of each phenotype, y = Wα + g + i + g·i of every term i of the study; rows are pairs or, with `best`,
/// phenotypes and terms.
int32_t swiftqtl_cis_interaction(const swiftqtl_study *study, const swiftqtl_options *options, swiftqtl_results **out,
                                 swiftqtl_error **error);
/// All variants against all phenotypes with the same model; rows are pairs in which g·i of some term has p ≤ `pval_threshold`.
int32_t swiftqtl_trans_interaction(const swiftqtl_study *study, const swiftqtl_options *options, swiftqtl_results **out,
                                   swiftqtl_error **error);

/// What a scan did.
typedef struct {
  size_t size;
  int64_t variants;
  int64_t dropped_variants;
  int64_t tests;
  int64_t excluded;
  int64_t untestable;
  int64_t phenotypes;
  int64_t degrees_of_freedom;
  int64_t samples;
} swiftqtl_counts;

/// Fills `counts`, whose `size` is set.
void swiftqtl_results_counts(const swiftqtl_results *results, swiftqtl_counts *counts);
/// What there is to know about the scan, a line each. Lives as long as the results.
swiftqtl_strings swiftqtl_results_notes(const swiftqtl_results *results);
void swiftqtl_results_free(swiftqtl_results *results);

// --- Tables

typedef struct swiftqtl_table swiftqtl_table;

/// Of the scan: pairs, phenotypes or signals.
#define SWIFTQTL_TABLE_MAIN 0
/// Samples, variants, phenotypes and covariates that were left out, and why.
#define SWIFTQTL_TABLE_DROPS 1
/// Of mixed models: variance components by phenotype.
#define SWIFTQTL_TABLE_HERITABILITY 2

/// A table of the results, to be freed; it outlives them. NULL where there is none.
swiftqtl_table *swiftqtl_results_table(const swiftqtl_results *results, int32_t kind);
int64_t swiftqtl_table_row_count(const swiftqtl_table *table);
int32_t swiftqtl_table_column_count(const swiftqtl_table *table);

/// `double`; NaN is missing.
#define SWIFTQTL_FLOAT64 1
#define SWIFTQTL_INT64 2
/// `int32_t` codes, indices into `dictionary`; −1 is missing.
#define SWIFTQTL_STRING 3

/// A column, `count` values at `data`. All lives as long as the table.
typedef struct {
  size_t size;
  const char *name;
  int32_t type;
  int64_t count;
  const void *data;
  /// Of strings; may name one twice.
  swiftqtl_strings dictionary;
} swiftqtl_column;

/// Fills `column`, whose `size` is set. Columns are made when they are first asked for.
int32_t swiftqtl_table_column(const swiftqtl_table *table, int32_t index, swiftqtl_column *column,
                              swiftqtl_error **error);
/// Writes the table as the program does, to the byte: tab-separated, BGZF at `level` 0 to 9 or plain with −1.
int32_t swiftqtl_table_write(const swiftqtl_table *table, const char *path, int32_t level, swiftqtl_error **error);
void swiftqtl_table_free(swiftqtl_table *table);

// --- Multiple testing

/// Storey's q of `count` p values, NaN of NaN; `lambda` NaN for π₀ by `method`. `pi0` may be NULL.
int32_t swiftqtl_qvalues(const double *p, int64_t count, int32_t method, double lambda, double *q, double *pi0,
                         swiftqtl_error **error);
/// The quantile of a beta distribution. NaN of arguments outside their ranges.
double swiftqtl_beta_quantile(double p, double shape1, double shape2);
/// Its distribution function. NaN of arguments outside their ranges.
double swiftqtl_beta_cdf(double x, double shape1, double shape2);

#ifdef __cplusplus
}
#endif

#endif
