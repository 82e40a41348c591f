#' All variants against all phenotypes by least squares.
#'
#' Model: y = W a + g b + e. Everything is computed by libswiftqtl, in double precision.
#'
#' @param G dosages of the counted allele, variants x samples, or the path of a genotype file; NA is missing and imputed to the mean.
#' @param Y phenotypes x samples, or the path of a phenotype file; NA is missing: each phenotype is analysed on its observed samples.
#' @param W covariates x samples without the intercept, as Matrix eQTL has them, or the path of a file; NULL for none.
#' @param pvOutputThreshold pairs with p at most this are returned.
#' @param snpspos,genepos as Matrix eQTL takes them (id, chr, pos; id, chr, left, right), to leave near pairs out.
#' @param cisDist pairs closer than so many bases are not tested, where there are positions.
#' @param kinship samples x samples: then mixed models are fitted.
#' @param maf,maxMissing variants with a rarer minor allele, or missing in a larger share of the samples, are left out.
#' @param threads 0 for the cores this process may use.
#' @return Matrix eQTL's layout: `param`, `time.in.sec` and `all`, with `ntests`, `neqtls` and `eqtls`, a data frame of snps, gene, statistic
#'   (t), pvalue, FDR, beta by ascending p.
#'
#' Matrices with column names are joined by them, others by place.
swiftqtl_trans <- function(G, Y, W = NULL, pvOutputThreshold = 1e-5, snpspos = NULL, genepos = NULL, cisDist = 5e6,
                           kinship = NULL, maf = 0, maxMissing = 1, threads = 0L) {
  started <- proc.time()[["elapsed"]]
  if (is.null(snpspos) != is.null(genepos)) stop("snpspos and genepos go together")
  n <- if (is.matrix(G)) ncol(G) else if (is.matrix(Y)) ncol(Y) else 0L
  G <- .matrix(G, n, "variant")
  Y <- .matrix(Y, n, "phenotype")
  if (!is.null(W)) W <- .matrix(if (is.data.frame(W)) as.matrix(W) else W, n, "covariate")
  if (!is.null(kinship)) kinship <- .matrix(kinship, n, NULL)
  excluded <- if (is.null(snpspos) && is.matrix(Y)) -1 else as.numeric(cisDist)
  found <- .Call(
    C_swiftqtl_trans, G, Y, W, kinship, .positions(snpspos, G, 3L), .positions(genepos, Y, 4L),
    c(pvOutputThreshold, excluded, maf, maxMissing, threads))
  pairs <- data.frame(
    snps = found$variant_id, gene = found$phenotype_id, statistic = found$t, pvalue = found$p, FDR = found$q,
    beta = found$beta)
  pairs <- pairs[order(-found$neg_log10_p), ]
  rownames(pairs) <- NULL
  list(
    param = list(pvOutputThreshold = pvOutputThreshold, dfFull = found$df),
    time.in.sec = proc.time()[["elapsed"]] - started,
    all = list(ntests = found$ntests, neqtls = nrow(pairs), eqtls = pairs))
}

#' The version of libswiftqtl.
swiftqtl_version <- function() .Call(C_swiftqtl_version)

# A matrix of doubles or integers with names, or a path.
.matrix <- function(x, samples, rows) {
  if (is.character(x) && length(x) == 1L) return(path.expand(x))
  if (!is.matrix(x) || !is.numeric(x)) stop("a numeric matrix or the path of a file is needed")
  if (samples > 0L && ncol(x) != samples && is.null(colnames(x))) stop("matrices without column names differ in samples")
  place <- function(prefix, count) sprintf(paste0(prefix, "%0", nchar(max(1L, count)), "d"), seq_len(count))
  if (is.null(colnames(x))) colnames(x) <- place("sample", ncol(x))
  if (is.null(rownames(x))) rownames(x) <- if (is.null(rows)) colnames(x) else place(rows, nrow(x))
  x
}

# Chromosomes and places in the order of a matrix's rows.
.positions <- function(table, x, columns) {
  if (is.null(table)) return(NULL)
  if (!is.matrix(x)) stop("positions are for matrices")
  table <- table[match(rownames(x), as.character(table[[1L]])), ]
  if (anyNA(table[[1L]])) stop("positions lack ", rownames(x)[which(is.na(table[[1L]]))[1L]])
  list(as.character(table[[2L]]), as.numeric(table[[3L]]), as.numeric(table[[columns]]))
}
