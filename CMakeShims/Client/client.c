// Scans a small study made here, and checks what comes back against least squares: client FOLDER, to which tables are written.
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <swiftqtl.h>

enum { samples = 40, variants = 60, phenotypes = 3 };

static void fail(const char *what) {
  fprintf(stderr, "client: %s\n", what);
  exit(1);
}

static void check(int32_t status, swiftqtl_error *error) {
  if (status == SWIFTQTL_OK) return;
  fprintf(stderr, "client: error %d: %s\n", swiftqtl_error_code(error), swiftqtl_error_message(error));
  exit(1);
}

// Names PREFIX0, PREFIX1, …, and the memory behind them.
typedef struct {
  char bytes[16 * variants];
  int64_t offsets[variants + 1];
  swiftqtl_strings list;
} names;

static void number(names *out, const char *prefix, int count) {
  out->offsets[0] = 0;
  for (int i = 0; i < count; i++) {
    int64_t start = out->offsets[i];
    out->offsets[i + 1] = start + sprintf(out->bytes + start, "%s%03d", prefix, i);
  }
  out->list = (swiftqtl_strings){out->bytes, out->offsets, count};
}

static uint64_t state = 7;

static double uniform(void) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return (double)(state >> 11) / 9007199254740992.0;
}

static int8_t genotypes[variants][samples];
static double expression[phenotypes][samples];

static void make_study(void) {
  for (int v = 0; v < variants; v++)
    for (int s = 0; s < samples; s++) genotypes[v][s] = (int8_t)((uniform() < 0.4) + (uniform() < 0.4));
  for (int p = 0; p < phenotypes; p++)
    for (int s = 0; s < samples; s++)
      expression[p][s] = 2 * genotypes[10 * p + 5][s] + uniform() + uniform() - 1;
}

// Slope of the regression of phenotype p on variant v among some samples.
static double slope_among(int v, int p, int first, int end) {
  double mean_g = 0, mean_y = 0, gg = 0, gy = 0;
  for (int s = first; s < end; s++) {
    mean_g += (double)genotypes[v][s] / (end - first);
    mean_y += expression[p][s] / (end - first);
  }
  for (int s = first; s < end; s++) {
    gg += (genotypes[v][s] - mean_g) * (genotypes[v][s] - mean_g);
    gy += (genotypes[v][s] - mean_g) * (expression[p][s] - mean_y);
  }
  return gy / gg;
}

static double slope(int v, int p) { return slope_among(v, p, 0, samples); }

static swiftqtl_column column(const swiftqtl_table *table, const char *name) {
  swiftqtl_column out = {.size = sizeof out};
  swiftqtl_error *error = NULL;
  for (int32_t i = 0; i < swiftqtl_table_column_count(table); i++) {
    check(swiftqtl_table_column(table, i, &out, &error), error);
    if (!strcmp(out.name, name)) return out;
  }
  fail(name);
  return out;
}

// The number in an id: a letter and three digits.
static int number_of(swiftqtl_column ids, int64_t row) {
  int32_t code = ((const int32_t *)ids.data)[row];
  char digits[4] = {0};
  memcpy(digits, ids.dictionary.bytes + ids.dictionary.offsets[code] + 1, 3);
  return atoi(digits);
}

static swiftqtl_study *join(const names *sample_ids, const names *variant_ids, const names *phenotype_ids,
                            bool with_groups) {
  static char chromosomes_of_variants[variants], chromosomes_of_phenotypes[phenotypes];
  static int64_t offsets[variants + 1], positions[variants], starts[phenotypes];
  for (int i = 0; i <= variants; i++) offsets[i] = i;
  memset(chromosomes_of_variants, '1', variants);
  memset(chromosomes_of_phenotypes, '1', phenotypes);
  for (int v = 0; v < variants; v++) positions[v] = 1000 * (v + 1);
  for (int p = 0; p < phenotypes; p++) starts[p] = 10000 * p + 6000;
  static swiftqtl_strings where_variants, where_phenotypes;
  where_variants = (swiftqtl_strings){chromosomes_of_variants, offsets, variants};
  where_phenotypes = (swiftqtl_strings){chromosomes_of_phenotypes, offsets, phenotypes};
  swiftqtl_variants described = {.size = sizeof described, .ids = variant_ids->list,
                                 .chromosomes = &where_variants, .positions = positions};
  swiftqtl_features features = {.size = sizeof features, .ids = phenotype_ids->list,
                                .chromosomes = &where_phenotypes, .starts = starts, .ends = starts};
  swiftqtl_error *error = NULL;
  swiftqtl_genotypes *g = NULL;
  swiftqtl_phenotypes *y = NULL;
  swiftqtl_study *study = NULL;
  check(swiftqtl_genotypes_from_int8(&genotypes[0][0], samples, 1, &sample_ids->list, &described, &g, &error),
        error);
  check(swiftqtl_phenotypes_from_float64(&expression[0][0], samples, 1, &sample_ids->list, &features, &y, &error),
        error);
  if (with_groups) {
    // A term that tells the samples of the second half from the others.
    static double group[samples];
    for (int s = 0; s < samples; s++) group[s] = s >= samples / 2;
    const int64_t ends[] = {0, 5};
    const swiftqtl_strings term = {"group", ends, 1};
    swiftqtl_covariates *i = NULL;
    check(swiftqtl_covariates_from_float64(group, 1, samples, &sample_ids->list, &term, &i, &error), error);
    check(swiftqtl_study_create_with_interactions(g, y, NULL, i, NULL, NULL, 1, &study, &error), error);
    swiftqtl_covariates_free(i);
  } else {
    check(swiftqtl_study_create(g, y, NULL, NULL, NULL, 1, &study, &error), error);
  }
  if (swiftqtl_study_sample_count(study) != samples) fail("samples are missing");
  swiftqtl_genotypes_free(g);
  swiftqtl_phenotypes_free(y);
  return study;
}

static int32_t count_calls(void *data, double fraction, int64_t tests, int64_t rows) {
  (void)tests, (void)rows;
  if (!(fraction >= 0 && fraction <= 1)) fail("progress");
  ++*(int *)data;
  return 0;
}

static int32_t refuse(void *data, double fraction, int64_t tests, int64_t rows) {
  (void)data, (void)fraction, (void)tests, (void)rows;
  return 1;
}

static swiftqtl_options defaults(void) {
  swiftqtl_options options;
  swiftqtl_options_init(&options, sizeof options);
  options.threads = 2;
  options.instructions = SWIFTQTL_INSTRUCTIONS_PORTABLE;
  return options;
}

static void check_pairs(const swiftqtl_results *results, bool all) {
  swiftqtl_table *table = swiftqtl_results_table(results, SWIFTQTL_TABLE_MAIN);
  int64_t rows = swiftqtl_table_row_count(table);
  if (all ? rows != variants * phenotypes : rows < phenotypes) fail("number of pairs");
  swiftqtl_column variant = column(table, "variant_id"), phenotype = column(table, "phenotype_id");
  swiftqtl_column beta = column(table, "beta"), n = column(table, "n");
  if (variant.type != SWIFTQTL_STRING || beta.type != SWIFTQTL_FLOAT64 || n.type != SWIFTQTL_INT64) fail("types");
  for (int64_t row = 0; row < rows; row++) {
    double expected = slope(number_of(variant, row), number_of(phenotype, row));
    // Both sums are of some tens of terms: a few units in the last place.
    if (fabs(((const double *)beta.data)[row] - expected) > 1e-12) fail("a slope");
    if (((const int64_t *)n.data)[row] != samples) fail("n");
  }
  swiftqtl_table_free(table);
}

// Scans for signals: the planted variant of each phenotype, and no other.
static void check_signals(const swiftqtl_study *study, const names *phenotype_ids) {
  const double thresholds[phenotypes] = {1e-6, 1e-6, NAN};
  swiftqtl_genes genes = {.size = sizeof genes, .ids = phenotype_ids->list, .thresholds = thresholds};
  swiftqtl_options options = defaults();
  options.max_signals = 3;
  swiftqtl_error *error = NULL;
  swiftqtl_results *results = NULL;
  check(swiftqtl_cis_independent(study, &genes, &options, &results, &error), error);
  swiftqtl_table *table = swiftqtl_results_table(results, SWIFTQTL_TABLE_MAIN);
  if (swiftqtl_table_row_count(table) != 2) fail("signals");
  swiftqtl_column beta = column(table, "beta"), rank = column(table, "rank");
  for (int p = 0; p < 2; p++) {
    // Both sums are of some tens of terms: a few units in the last place.
    if (!(fabs(((const double *)beta.data)[p] - slope(10 * p + 5, p)) < 1e-12)) fail("a signal");
    if (((const int64_t *)rank.data)[p] != 1) fail("rank");
  }
  swiftqtl_table_free(table);
  swiftqtl_results_free(results);
  const double wrong[phenotypes] = {1e-6, 2, 1e-6};
  genes.thresholds = wrong;
  results = NULL;
  if (swiftqtl_cis_independent(study, &genes, &options, &results, &error) != SWIFTQTL_INVALID_ARGUMENT || results)
    fail("threshold 2");
  swiftqtl_error_free(error);
}

// Interactions with two groups of samples: g and g + gi are the slopes in either.
static void check_interactions(const swiftqtl_study *study) {
  swiftqtl_error *error = NULL;
  swiftqtl_results *results = NULL;
  swiftqtl_options options = defaults();
  options.maf_interaction = 0;
  check(swiftqtl_cis_interaction(study, &options, &results, &error), error);
  swiftqtl_table *table = swiftqtl_results_table(results, SWIFTQTL_TABLE_MAIN);
  swiftqtl_column variant = column(table, "variant_id"), phenotype = column(table, "phenotype_id");
  swiftqtl_column g = column(table, "beta_g"), gi = column(table, "beta_gi");
  if (g.count < variants) fail("pairs of interactions");
  for (int64_t row = 0; row < g.count; row++) {
    int v = number_of(variant, row), p = number_of(phenotype, row);
    double sum = ((const double *)g.data)[row] + ((const double *)gi.data)[row];
    // Of designs whose condition numbers are some tens.
    if (!(fabs(((const double *)g.data)[row] - slope_among(v, p, 0, samples / 2)) < 1e-10)) fail("g");
    if (!(fabs(sum - slope_among(v, p, samples / 2, samples)) < 1e-10)) fail("g + gi");
  }
  swiftqtl_table_free(table);
  swiftqtl_results_free(results);

  options.best = 1;
  check(swiftqtl_cis_interaction(study, &options, &results, &error), error);
  table = swiftqtl_results_table(results, SWIFTQTL_TABLE_MAIN);
  swiftqtl_column tests = column(table, "tests_emt"), count = column(table, "num_var");
  if (tests.count != phenotypes) fail("leads");
  for (int64_t row = 0; row < tests.count; row++) {
    int64_t effective = ((const int64_t *)tests.data)[row];
    if (effective < 1 || effective > ((const int64_t *)count.data)[row]) fail("effective tests");
  }
  swiftqtl_table_free(table);
  swiftqtl_results_free(results);

  options.exclude_cis = -1;
  options.pval_threshold = 0.05;
  check(swiftqtl_trans_interaction(study, &options, &results, &error), error);
  table = swiftqtl_results_table(results, SWIFTQTL_TABLE_MAIN);
  swiftqtl_column p = column(table, "p_gi"), q = column(table, "q_gi");
  for (int64_t row = 0; row < p.count; row++) {
    double own = ((const double *)p.data)[row];
    if (own > 0.05 || ((const double *)q.data)[row] < own) fail("q");
  }
  swiftqtl_table_free(table);
  swiftqtl_results_free(results);
}

static void check_errors(const swiftqtl_study *study) {
  swiftqtl_error *error = NULL;
  swiftqtl_results *results = NULL;
  swiftqtl_options options = defaults();
  options.maf = 2;
  if (swiftqtl_trans(study, &options, &results, &error) != SWIFTQTL_INVALID_ARGUMENT || results) fail("maf 2");
  if (!strstr(swiftqtl_error_message(error), "maf")) fail("message");
  swiftqtl_error_free(error);
  // Without a place for the error.
  if (swiftqtl_trans(NULL, &options, &results, NULL) != SWIFTQTL_INVALID_ARGUMENT) fail("no study");
  swiftqtl_genotypes *g = NULL;
  int64_t offsets[] = {0, 9};
  swiftqtl_strings paths = {"/no/where", offsets, 1};
  if (swiftqtl_genotypes_open(&paths, 0, NULL, &g, &error) != SWIFTQTL_ENVIRONMENT || g) fail("no file");
  swiftqtl_error_free(error);
  options = defaults();
  options.progress = refuse;
  if (swiftqtl_cis_nominal(study, &options, &results, &error) != SWIFTQTL_CANCELLED || results) fail("cancel");
  swiftqtl_error_free(error);
  int8_t known = genotypes[3][4];
  genotypes[3][4] = 5;
  options = defaults();
  if (swiftqtl_cis_nominal(study, &options, &results, &error) != SWIFTQTL_MALFORMED || results) fail("dosage 5");
  genotypes[3][4] = known;
  if (!strstr(swiftqtl_error_message(error), "v003")) fail("names no variant");
  swiftqtl_error_free(error);
}

int main(int count, char **arguments) {
  if (count != 2) fail("usage: client FOLDER");
  if (swiftqtl_abi_version() != SWIFTQTL_ABI_VERSION) fail("library and header differ");
  printf("swiftqtl %s\n", swiftqtl_version());
  make_study();
  static names sample_ids, variant_ids, phenotype_ids;
  number(&sample_ids, "s", samples);
  number(&variant_ids, "v", variants);
  number(&phenotype_ids, "p", phenotypes);
  swiftqtl_study *study = join(&sample_ids, &variant_ids, &phenotype_ids, false);

  swiftqtl_error *error = NULL;
  swiftqtl_results *results = NULL;
  swiftqtl_options options = defaults();
  int calls = 0;
  options.progress = count_calls;
  options.progress_data = &calls;
  options.exclude_cis = -1;
  options.pval_threshold = 1e-6;
  check(swiftqtl_trans(study, &options, &results, &error), error);
  if (calls < 2) fail("no progress");
  check_pairs(results, false);
  swiftqtl_counts counts = {.size = sizeof counts};
  swiftqtl_results_counts(results, &counts);
  if (counts.tests != variants * phenotypes || counts.degrees_of_freedom != samples - 2) fail("counts");
  char path[4096];
  snprintf(path, sizeof path, "%s/trans.tsv.gz", arguments[1]);
  swiftqtl_table *table = swiftqtl_results_table(results, SWIFTQTL_TABLE_MAIN);
  check(swiftqtl_table_write(table, path, 1, &error), error);
  swiftqtl_table_free(table);
  if (swiftqtl_results_table(results, SWIFTQTL_TABLE_HERITABILITY)) fail("heritability of least squares");
  swiftqtl_results_free(results);

  options = defaults();
  // As a caller of the first version has it.
  options.size = offsetof(swiftqtl_options, maf_interaction);
  options.maf_interaction = NAN;
  check(swiftqtl_cis_nominal(study, &options, &results, &error), error);
  check_pairs(results, true);
  swiftqtl_results_free(results);

  options = defaults();
  options.permutations = 100;
  check(swiftqtl_cis_permute(study, &options, &results, &error), error);
  table = swiftqtl_results_table(results, SWIFTQTL_TABLE_MAIN);
  // The planted effects are far above the noise: no copy reaches them.
  swiftqtl_column p = column(table, "pval_perm");
  for (int64_t row = 0; row < swiftqtl_table_row_count(table); row++)
    if (fabs(((const double *)p.data)[row] - 1 / 101.0) > 1e-15) fail("empirical p");
  if (swiftqtl_table_row_count(table) != phenotypes) fail("phenotypes");
  swiftqtl_table_free(table);
  swiftqtl_results_free(results);

  check_signals(study, &phenotype_ids);
  check_errors(study);
  swiftqtl_study_free(study);
  study = join(&sample_ids, &variant_ids, &phenotype_ids, true);
  check_interactions(study);
  swiftqtl_study_free(study);
  swiftqtl_study_free(NULL);
  puts("all as expected");
  return 0;
}
