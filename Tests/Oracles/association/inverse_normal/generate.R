# Usage: Rscript generate.R, in this directory. Rank-based inverse normal transform with ties averaged and missing values kept.
set.seed(4)
columns <- list(
  continuous = round(rnorm(40), 6), ties = rbinom(40, 6, 0.4), counts = rpois(40, 0.7), heavy = round(rt(40, 1), 5),
  missing = replace(round(rexp(40), 2), c(1, 5, 17, 18, 40), NA))
transform <- function(x) {
  r <- rank(x, na.last = "keep", ties.method = "average")
  qnorm((r - 0.5) / sum(!is.na(x)))
}
text <- function(x) ifelse(is.na(x), "NA", sprintf("%.17g", x))
out <- do.call(rbind, lapply(names(columns), function(name) {
  data.frame(name, text(columns[[name]]), text(transform(columns[[name]])))
}))
write.table(out, "expected.tsv", sep = "\t", quote = FALSE, row.names = FALSE, col.names = c("column", "x", "z"))
