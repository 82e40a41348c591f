// Matrices of R as libswiftqtl takes them, and its columns as R vectors.
#include <R.h>
#include <R_ext/Rdynload.h>
#include <Rinternals.h>
#include <stdint.h>
#include <string.h>
#include <swiftqtl.h>

// What is freed however a call ends: R's errors jump over C.
typedef struct {
  swiftqtl_genotypes *genotypes;
  swiftqtl_phenotypes *phenotypes;
  swiftqtl_covariates *covariates;
  swiftqtl_kinship *kinship;
  swiftqtl_study *study;
  swiftqtl_results *results;
  swiftqtl_table *table;
  swiftqtl_error *error;
  SEXP arguments;
} call;

static void release(void *data) {
  call *own = data;
  swiftqtl_table_free(own->table);
  swiftqtl_results_free(own->results);
  swiftqtl_study_free(own->study);
  swiftqtl_kinship_free(own->kinship);
  swiftqtl_covariates_free(own->covariates);
  swiftqtl_phenotypes_free(own->phenotypes);
  swiftqtl_genotypes_free(own->genotypes);
  swiftqtl_error_free(own->error);
}

static void check(call *own, int32_t status) {
  if (status != SWIFTQTL_OK) Rf_error("%s", swiftqtl_error_message(own->error));
}

// Memory that R takes back when the call ends.
static swiftqtl_strings strings(SEXP names) {
  R_xlen_t count = XLENGTH(names);
  int64_t *offsets = (int64_t *)R_alloc((size_t)count + 1, sizeof(int64_t));
  offsets[0] = 0;
  for (R_xlen_t i = 0; i < count; i++)
    offsets[i + 1] = offsets[i] + (int64_t)strlen(Rf_translateCharUTF8(STRING_ELT(names, i)));
  char *bytes = R_alloc((size_t)offsets[count] + 1, 1);
  for (R_xlen_t i = 0; i < count; i++)
    memcpy(bytes + offsets[i], Rf_translateCharUTF8(STRING_ELT(names, i)), (size_t)(offsets[i + 1] - offsets[i]));
  return (swiftqtl_strings){bytes, offsets, count};
}

static swiftqtl_strings names(SEXP matrix, int side) {
  return strings(VECTOR_ELT(Rf_getAttrib(matrix, R_DimNamesSymbol), side));
}

static const double *doubles(SEXP matrix) {
  if (TYPEOF(matrix) == REALSXP) return REAL(matrix);
  R_xlen_t count = XLENGTH(matrix);
  double *out = (double *)R_alloc((size_t)count, sizeof(double));
  for (R_xlen_t i = 0; i < count; i++) out[i] = INTEGER(matrix)[i] == NA_INTEGER ? NA_REAL : INTEGER(matrix)[i];
  return out;
}

static int64_t *places(SEXP numbers) {
  R_xlen_t count = XLENGTH(numbers);
  int64_t *out = (int64_t *)R_alloc((size_t)count, sizeof(int64_t));
  for (R_xlen_t i = 0; i < count; i++) out[i] = (int64_t)REAL(numbers)[i];
  return out;
}

// Bytes where all are whole numbers, else fp32.
static void open_genotypes(call *own, SEXP G, SEXP positions) {
  if (TYPEOF(G) == STRSXP) {
    swiftqtl_strings paths = strings(G);
    check(own, swiftqtl_genotypes_open(&paths, SWIFTQTL_DOSAGE_FIELD_AUTOMATIC, NULL, &own->genotypes, &own->error));
    return;
  }
  R_xlen_t count = XLENGTH(G), variants = Rf_nrows(G);
  const double *values = doubles(G);
  int8_t *calls = (int8_t *)R_alloc((size_t)count, 1);
  R_xlen_t whole = 0;
  for (; whole < count; whole++) {
    double value = values[whole];
    if (ISNAN(value)) {
      calls[whole] = -1;
    } else if (value == 0 || value == 1 || value == 2) {
      calls[whole] = (int8_t)value;
    } else {
      break;
    }
  }
  swiftqtl_strings samples = names(G, 1), chromosomes;
  swiftqtl_variants described = {.size = sizeof described, .ids = names(G, 0)};
  if (positions != R_NilValue) {
    chromosomes = strings(VECTOR_ELT(positions, 0));
    described.chromosomes = &chromosomes;
    described.positions = places(VECTOR_ELT(positions, 1));
  }
  if (whole == count) {
    check(own, swiftqtl_genotypes_from_int8(calls, 1, variants, &samples, &described, &own->genotypes, &own->error));
    return;
  }
  float *dosages = (float *)R_alloc((size_t)count, sizeof(float));
  for (R_xlen_t i = 0; i < count; i++) {
    if (values[i] < 0 || values[i] > 2) Rf_error("a dosage is %g: they must lie between 0 and 2", values[i]);
    dosages[i] = (float)values[i];
  }
  check(own, swiftqtl_genotypes_from_float32(dosages, 1, variants, &samples, &described, &own->genotypes, &own->error));
}

static void open_phenotypes(call *own, SEXP Y, SEXP positions, int32_t threads) {
  if (TYPEOF(Y) == STRSXP) {
    check(own, swiftqtl_phenotypes_open(Rf_translateCharUTF8(STRING_ELT(Y, 0)), NULL, threads, &own->phenotypes,
                                        &own->error));
    return;
  }
  swiftqtl_strings samples = names(Y, 1), chromosomes;
  swiftqtl_features described = {.size = sizeof described, .ids = names(Y, 0)};
  if (positions != R_NilValue) {
    chromosomes = strings(VECTOR_ELT(positions, 0));
    described.chromosomes = &chromosomes;
    described.starts = places(VECTOR_ELT(positions, 1));
    described.ends = places(VECTOR_ELT(positions, 2));
  }
  check(own, swiftqtl_phenotypes_from_float64(doubles(Y), 1, Rf_nrows(Y), &samples, &described, &own->phenotypes,
                                              &own->error));
}

// A column as an R vector.
static SEXP column(call *own, const char *name) {
  swiftqtl_column found = {.size = sizeof found};
  int32_t index = 0;
  do {
    check(own, swiftqtl_table_column(own->table, index++, &found, &own->error));
  } while (strcmp(found.name, name));
  if (found.type != SWIFTQTL_STRING) {
    SEXP out = PROTECT(Rf_allocVector(REALSXP, (R_xlen_t)found.count));
    if (found.count) memcpy(REAL(out), found.data, sizeof(double) * (size_t)found.count);
    UNPROTECT(1);
    return out;
  }
  R_xlen_t levels = (R_xlen_t)found.dictionary.count;
  SEXP dictionary = PROTECT(Rf_allocVector(STRSXP, levels));
  for (R_xlen_t i = 0; i < levels; i++) {
    int64_t start = found.dictionary.offsets[i];
    SET_STRING_ELT(dictionary, i, Rf_mkCharLenCE(found.dictionary.bytes + start,
                                                 (int)(found.dictionary.offsets[i + 1] - start), CE_UTF8));
  }
  SEXP out = PROTECT(Rf_allocVector(STRSXP, (R_xlen_t)found.count));
  for (R_xlen_t i = 0; i < found.count; i++)
    SET_STRING_ELT(out, i, STRING_ELT(dictionary, ((const int32_t *)found.data)[i]));
  UNPROTECT(2);
  return out;
}

static SEXP trans(void *data) {
  call *own = data;
  SEXP G = VECTOR_ELT(own->arguments, 0), Y = VECTOR_ELT(own->arguments, 1), W = VECTOR_ELT(own->arguments, 2);
  SEXP K = VECTOR_ELT(own->arguments, 3);
  const double *settings = REAL(VECTOR_ELT(own->arguments, 6));
  swiftqtl_options options;
  swiftqtl_options_init(&options, sizeof options);
  options.pval_threshold = settings[0];
  options.exclude_cis = (int64_t)settings[1];
  options.maf = settings[2];
  options.max_missing = settings[3];
  options.threads = (int32_t)settings[4];
  open_genotypes(own, G, VECTOR_ELT(own->arguments, 4));
  open_phenotypes(own, Y, VECTOR_ELT(own->arguments, 5), options.threads);
  if (TYPEOF(W) == STRSXP) {
    check(own, swiftqtl_covariates_open(Rf_translateCharUTF8(STRING_ELT(W, 0)), own->phenotypes, &own->covariates,
                                        &own->error));
  } else if (W != R_NilValue) {
    swiftqtl_strings samples = names(W, 1), rows = names(W, 0);
    check(own, swiftqtl_covariates_from_float64(doubles(W), Rf_nrows(W), 1, &samples, &rows, &own->covariates,
                                                &own->error));
  }
  if (TYPEOF(K) == STRSXP) {
    check(own, swiftqtl_kinship_open(Rf_translateCharUTF8(STRING_ELT(K, 0)), &own->kinship, &own->error));
  } else if (K != R_NilValue) {
    if (Rf_nrows(K) != Rf_ncols(K)) Rf_error("kinship must be square");
    swiftqtl_strings samples = names(K, 1);
    check(own, swiftqtl_kinship_from_float64(doubles(K), &samples, &own->kinship, &own->error));
  }
  check(own, swiftqtl_study_create(own->genotypes, own->phenotypes, own->covariates, own->kinship, NULL,
                                   options.exclude_cis >= 0, &own->study, &own->error));
  check(own, swiftqtl_trans(own->study, &options, &own->results, &own->error));
  own->table = swiftqtl_results_table(own->results, SWIFTQTL_TABLE_MAIN);
  swiftqtl_counts counts = {.size = sizeof counts};
  swiftqtl_results_counts(own->results, &counts);

  const char *columns[] = {"variant_id", "phenotype_id", "t", "p", "q", "beta", "neg_log10_p"};
  enum { columnCount = sizeof columns / sizeof *columns };
  SEXP out = PROTECT(Rf_allocVector(VECSXP, columnCount + 2)), labels = PROTECT(Rf_allocVector(STRSXP, columnCount + 2));
  for (int i = 0; i < columnCount; i++) {
    SET_STRING_ELT(labels, i, Rf_mkChar(columns[i]));
    SET_VECTOR_ELT(out, i, column(own, columns[i]));
  }
  SET_STRING_ELT(labels, columnCount, Rf_mkChar("ntests"));
  SET_VECTOR_ELT(out, columnCount, Rf_ScalarReal((double)counts.tests));
  SET_STRING_ELT(labels, columnCount + 1, Rf_mkChar("df"));
  SET_VECTOR_ELT(out, columnCount + 1, Rf_ScalarReal((double)counts.degrees_of_freedom));
  Rf_setAttrib(out, R_NamesSymbol, labels);
  UNPROTECT(2);
  return out;
}

static void finish(void *data, Rboolean jump) {
  (void)jump;
  release(data);
}

static SEXP call_trans(SEXP G, SEXP Y, SEXP W, SEXP K, SEXP variants, SEXP features, SEXP settings) {
  SEXP arguments[] = {G, Y, W, K, variants, features, settings};
  call own = {.arguments = PROTECT(Rf_allocVector(VECSXP, 7))};
  for (int i = 0; i < 7; i++) SET_VECTOR_ELT(own.arguments, i, arguments[i]);
  SEXP token = PROTECT(R_MakeUnwindCont());
  SEXP out = R_UnwindProtect(trans, &own, finish, &own, token);
  UNPROTECT(2);
  return out;
}

static SEXP call_version(void) { return Rf_mkString(swiftqtl_version()); }

static const R_CallMethodDef methods[] = {
    {"C_swiftqtl_trans", (DL_FUNC)call_trans, 7}, {"C_swiftqtl_version", (DL_FUNC)call_version, 0}, {NULL, NULL, 0}};

void R_init_swiftqtl(DllInfo *library) {
  R_registerRoutines(library, NULL, methods, NULL, NULL);
  R_useDynamicSymbols(library, FALSE);
  if (swiftqtl_abi_version() != SWIFTQTL_ABI_VERSION) Rf_error("libswiftqtl has another interface than swiftqtl.h");
}
