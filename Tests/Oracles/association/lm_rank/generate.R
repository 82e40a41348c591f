# Usage: Rscript generate.R, in this directory. Which columns of dependent sets R's lm drops (NA coefficients), and the rank.
set.seed(5)
n <- 24
a <- round(rnorm(n), 6); b <- round(rnorm(n), 6); c <- round(rnorm(n, 100, 3), 6)
batch <- rep(1:3, length.out = n)
sets <- list(
  independent = cbind(a, b, c),
  duplicate = cbind(a, b, copy = a, c),
  sum = cbind(a, b, sum = a + b, c, difference = a - b),
  constant = cbind(a, one = 1, b, zero = 0, c),
  indicators = cbind(batch == 1, batch == 2, batch == 3, a, deparse.level = 0) * 1,
  affine = cbind(c, shifted = 3 - 2 * c, a),
  nearly = cbind(a, b, near = a + 1e-9 * b, apart = a + 1e-5 * c),
  reordered = cbind(sum = a + b, a, b, again = 2 * b))
colnames(sets$indicators) <- c("batch1", "batch2", "batch3", "a")
rows <- list(); values <- list()
for (name in names(sets)) {
  x <- sets[[name]]
  fit <- lm(seq_len(n) %% 5 + rnorm(n) ~ x)
  gone <- colnames(x)[is.na(coef(fit)[-1])]
  rows[[name]] <- c(name, fit$rank, paste(gone, collapse = ","))
  for (j in seq_len(ncol(x))) values[[length(values) + 1]] <- c(name, colnames(x)[j], sprintf("%.17g", x[, j]))
}
write <- function(x, file) {
  write.table(do.call(rbind, x), file, sep = "\t", quote = FALSE, row.names = FALSE, col.names = FALSE)
}
write(rows, "expected.tsv")
write(values, "columns.tsv")
