# Usage: Rscript generate.R, in this directory. Regressions by R's lm on hard calls with missing genotypes and phenotypes.
set.seed(20240901)
n <- 60; m <- 12; traits <- 8
ids <- sprintf("s%03d", seq_len(n))
maf <- c(0.05, 0.5, runif(m - 2, 0.08, 0.5))
genotypes <- sapply(maf, function(p) rbinom(n, 2, p))
genotypes[sample(length(genotypes), 50)] <- NA
imputed <- apply(genotypes, 2, function(g) { g[is.na(g)] <- mean(g, na.rm = TRUE); g })
covariates <- round(cbind(rnorm(n), rnorm(n, 1960, 12), 0.8 * imputed[, 3] + rnorm(n)), 6)
phenotypes <- sapply(seq_len(traits), function(j) {
  y <- covariates %*% rnorm(3, 0, 0.2) + imputed[, j] * c(2, 0, -1, 0, 30, 0.3, 0, 0)[j] + rnorm(n) / rgamma(n, 3)
  round(as.vector(y) * 10^(j - 4), 9)
})
phenotypes[, 8] <- round(200 * imputed[, 8] + rnorm(n, 0, 1e-4), 9)  # nearly without residual
for (j in 3:6) phenotypes[sample(n, 2 * j), j] <- NA
phenotypes[c(4, 9, 31), 7] <- NA

rows <- list()
for (v in seq_len(m)) for (j in seq_len(traits)) {
  y <- phenotypes[, j]
  s <- summary(lm(y ~ covariates + imputed[, v]))
  k <- nrow(s$coefficients)
  b <- s$coefficients[k, ]
  nu <- s$df[2]
  logp <- pt(abs(b[3]), nu, lower.tail = FALSE, log.p = TRUE) + log(2)
  rows[[length(rows) + 1]] <- c(v - 1, j - 1, sprintf("%.17g", c(b[1], b[2], b[3])), nu, sprintf("%.17g", logp))
}
write <- function(x, file, names) {
  write.table(x, file, sep = "\t", quote = FALSE, row.names = FALSE, col.names = names)
}
text <- function(x) apply(x, 2, function(column) ifelse(is.na(column), "NA", sprintf("%.15g", column)))
write(cbind(ids, text(genotypes)), "genotypes.tsv", c("sample", sprintf("v%d", seq_len(m) - 1)))
write(cbind(ids, text(phenotypes)), "phenotypes.tsv", c("sample", sprintf("t%d", seq_len(traits) - 1)))
write(cbind(ids, text(covariates)), "covariates.tsv", c("sample", "pc1", "birth", "linked"))
write(do.call(rbind, rows), "expected.tsv", c("variant", "trait", "beta", "se", "t", "df", "log_p"))
