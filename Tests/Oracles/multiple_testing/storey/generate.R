# Usage: Rscript generate.R, in this directory. q values of p lists by Bioconductor's qvalue.
suppressMessages(library(qvalue))
set.seed(20260303)
mixture <- function(nulls, signals) c(runif(nulls), rbeta(signals, 0.2, 30))
lists <- list(
  mixture = mixture(150, 50),
  nulls = runif(120),
  few = c(0.0004, 0.03, 0.21, 0.46, 0.61, 0.77, 0.955, 0.99),
  all_small = rbeta(60, 1, 200),
  ties = (1 + floor(mixture(90, 30) * 101)) / 102.7,
  ones = c(mixture(70, 20), rep(1, 12)),
  missing = c(mixture(60, 20), rep(NA, 7))[sample(87)],
  hump = c(rbeta(90, 3, 3), rbeta(30, 0.2, 30), 0.97))
exact <- function(x) ifelse(is.na(x), "nan", sprintf("%.15g", x))
values <- list(); expected <- list()
for (name in names(lists)) {
  p <- signif(lists[[name]], 8)
  # On a grid point of lambda rounding would decide.
  stopifnot(!any(abs(p - round(20 * p) / 20) < 1e-12 & p > 0.01 & p < 1, na.rm = TRUE))
  run <- function(...) tryCatch(qvalue(p, lfdr.out = FALSE, ...), error = function(e) NULL)
  fits <- list(
    given = run(pi0 = 0.7), fixed = run(lambda = 0.5), smoother = run(), bootstrap = run(pi0.method = "bootstrap"),
    coarse = run(lambda = c(0.1, 0.35, 0.6, 0.9)))
  column <- function(method) if (is.null(fits[[method]])) rep(NA, length(p)) else fits[[method]]$qvalues
  values[[name]] <- data.frame(
    list = name, p = exact(p), lapply(setNames(names(fits), names(fits)), function(m) exact(column(m))))
  expected[[name]] <- data.frame(
    list = name, method = names(fits), pi0 = exact(sapply(fits, function(f) if (is.null(f)) NA else f$pi0)))
}
write <- function(x, file) write.table(do.call(rbind, x), file, sep = "\t", quote = FALSE, row.names = FALSE)
write(values, "values.tsv")
write(expected, "expected.tsv")
cat(as.character(packageVersion("qvalue")), R.version.string, "\n")
