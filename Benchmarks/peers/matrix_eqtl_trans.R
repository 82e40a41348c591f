# Matrix eQTL's scan of all pairs, for Benchmarks/run-peers.
# usage: Rscript matrix_eqtl_trans.R Matrix_eQTL_engine.R STUDY OUT THRESHOLD SLICE_SIZE
#
# Reads STUDY.bed/.bim/.fam, STUDY.phenotypes.bed.gz and STUDY.covariates.tsv by itself, which takes a fraction of the time that
# Matrix eQTL's text files take; writes the pairs with p <= THRESHOLD to OUT.
# Prints `key=value`: version, load_seconds, compute_seconds (the call of Matrix_eQTL_main alone).
# Threads are OpenBLAS's: OPENBLAS_NUM_THREADS.

arguments <- commandArgs(TRUE)
engine <- arguments[1]
study <- arguments[2]
out <- arguments[3]
threshold <- as.numeric(arguments[4])
slice_size <- as.integer(arguments[5])

source(engine)
description <- file.path(dirname(engine), "..", "DESCRIPTION")
version <- if (file.exists(description)) read.dcf(description, "Version") else "unknown"
cat(sprintf("version=%s (R %s, %s)\n", version, getRversion(), basename(dirname(extSoftVersion()["BLAS"]))))

seconds <- function() proc.time()[["elapsed"]]

# Rows first:last of the .bed file as fp64, variants x samples: copies of A1 (ALT), NA where missing.
codes <- vapply(0:255, function(byte) c(2, NA, 1, 0)[1 + bitwAnd(bitwShiftR(byte, c(0, 2, 4, 6)), 3)], numeric(4))
read_variants <- function(file, count, samples) {
  row_bytes <- ceiling(samples / 4)
  bytes <- as.integer(readBin(file, "raw", row_bytes * count))
  calls <- codes[, bytes + 1L]
  dim(calls) <- c(4 * row_bytes, count)
  t(calls[seq_len(samples), , drop = FALSE])
}

sliced <- function(matrix) {
  data <- SlicedData$new()
  data$CreateFromMatrix(matrix)
  data$ResliceCombined(slice_size)
  data
}

started <- seconds()
samples <- read.table(paste0(study, ".fam"), colClasses = "character")[[2]]
variants <- scan(paste0(study, ".bim"), list(NULL, "", NULL, NULL, NULL, NULL), quiet = TRUE)[[2]]
file <- file(paste0(study, ".bed"), "rb")
invisible(readBin(file, "raw", 3))
snps <- SlicedData$new()
snps$columnNames <- samples
slices <- split(variants, (seq_along(variants) - 1) %/% slice_size)
for (slice in seq_along(slices)) {
  # As fp64: the smaller raw form would be unpacked during the scan.
  snps$setSliceRaw(slice, read_variants(file, length(slices[[slice]]), length(samples)))
}
snps$rowNameSlices <- unname(slices)
close(file)

bed <- gzfile(paste0(study, ".phenotypes.bed.gz"), "rt")
columns <- strsplit(readLines(bed, 1), "\t")[[1]][-(1:4)]
table <- scan(bed, c(list(NULL, NULL, NULL, ""), rep(list(0), length(columns))), sep = "\t", quiet = TRUE)
close(bed)
phenotypes <- do.call(cbind, table[-(1:4)])
dimnames(phenotypes) <- list(table[[4]], columns)
rm(table)
gene <- sliced(phenotypes[, samples])
rm(phenotypes)

covariates <- as.matrix(read.table(
  paste0(study, ".covariates.tsv"), header = TRUE, sep = "\t", row.names = 1, check.names = FALSE))
cvrt <- SlicedData$new()
cvrt$CreateFromMatrix(covariates[, samples, drop = FALSE])
cat(sprintf("load_seconds=%.3f\n", seconds() - started))

# Pairs are written as they are found; neither q nor a histogram of p, which would take longer.
run <- function(snps) suppressMessages(Matrix_eQTL_main(
  snps, gene, cvrt, output_file_name = out, pvOutputThreshold = threshold, useModel = modelLINEAR,
  verbose = FALSE, pvalue.hist = FALSE, noFDRsaveMemory = TRUE))

# What is done once in a process (R compiles what an installed package has compiled) shall not count.
first <- SlicedData$new()
first$CreateFromMatrix(snps$getSlice(1))
for (repetition in 1:2) invisible(run(first))
started <- seconds()
scanned <- run(snps)
cat(sprintf("compute_seconds=%.3f\n", seconds() - started))
stopifnot(scanned$all$ntests == as.numeric(length(variants)) * nrow(gene))
