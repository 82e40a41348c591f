# Usage: Rscript generate.R, in this directory. Regressions by R's lm on g * term and on g * (share + sex).
set.seed(20260117)
n <- 75; m <- 8; traits <- 6
ids <- sprintf("s%03d", seq_len(n))
share <- round(rbeta(n, 3, 5), 6)
sex <- rbinom(n, 1, 0.4)
calls <- sapply(runif(m, 0.2, 0.5), function(p) rbinom(n, 2, p))
dosages <- round(pmin(pmax(calls + matrix(rnorm(n * m, 0, 0.15), n), 0), 2), 3)
dosages[, 1:3] <- calls[, 1:3]
dosages[sample(length(dosages), 30)] <- NA
# The program holds dosages in single precision: let them be such numbers.
single <- function(x) { y <- readBin(writeBin(as.vector(x), raw(), size = 4), "numeric", length(x), size = 4); dim(y) <- dim(x); y }
dosages <- single(dosages)
imputed <- apply(dosages, 2, function(g) { g[is.na(g)] <- mean(g, na.rm = TRUE); g })
covariates <- round(cbind(rnorm(n), rnorm(n, 1960, 12), 0.8 * imputed[, 3] + share + rnorm(n)), 6)
phenotypes <- sapply(seq_len(traits), function(j) {
  g <- imputed[, j]
  y <- covariates[, 1] + 2 * share + c(1, 0, -1, 0, 30, 0.3)[j] * g + c(0, 3, 0, -2, 100, 1)[j] * g * share +
    c(0, 0, 2, 0, 5, 0)[j] * g * sex + rnorm(n)
  round(as.vector(y) * 10^(j - 3), 9)
})
for (j in 3:5) phenotypes[sample(n, 3 * j), j] <- NA
phenotypes[c(4, 9, 31), 6] <- NA

expected <- function(terms) {
  k <- ncol(terms)
  rows <- list()
  for (v in seq_len(m)) for (j in seq_len(traits)) {
    g <- imputed[, v]
    s <- summary(lm(phenotypes[, j] ~ covariates + g * terms))
    b <- s$coefficients
    # Intercept, covariates, g, terms, products.
    first <- 2 + ncol(covariates)
    order <- c(first, as.vector(rbind(first + seq_len(k), first + k + seq_len(k))))
    logp <- pt(abs(b[, 3]), s$df[2], lower.tail = FALSE, log.p = TRUE) + log(2)
    cells <- cbind(b[, 1:3], logp)[order, ]
    rows[[length(rows) + 1]] <- c(v - 1, j - 1, s$df[2], sprintf("%.17g", t(cells)))
  }
  do.call(rbind, rows)
}
write <- function(x, file, names) {
  write.table(x, file, sep = "\t", quote = FALSE, row.names = FALSE, col.names = names)
}
text <- function(x) apply(x, 2, function(column) ifelse(is.na(column), "NA", sprintf("%.17g", column)))
columns <- function(names) c("variant", "trait", "df", as.vector(t(outer(names, c("beta", "se", "t", "log_p"), paste, sep = "_"))))
write(cbind(ids, text(dosages)), "genotypes.tsv", c("sample", sprintf("v%d", seq_len(m) - 1)))
write(cbind(ids, text(phenotypes)), "phenotypes.tsv", c("sample", sprintf("t%d", seq_len(traits) - 1)))
write(cbind(ids, text(covariates)), "covariates.tsv", c("sample", "pc1", "birth", "linked"))
write(cbind(ids, text(cbind(share, sex))), "terms.tsv", c("sample", "share", "sex"))
write(expected(cbind(share)), "expected_1.tsv", columns(c("g", "i", "gi")))
write(expected(cbind(share, sex)), "expected_2.tsv", columns(c("g", "i1", "gi1", "i2", "gi2")))
