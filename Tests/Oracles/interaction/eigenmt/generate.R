# Usage: Rscript generate.R, in this directory. eigenMT's number of tests by its definition: Davis et al. 2016,
# doi:10.1016/j.ajhg.2015.11.021, with the shrinkage of Ledoit & Wolf 2004, doi:10.1016/S0047-259X(03)00096-4.
set.seed(20260118)
n <- 80; m <- 460
# Neighbours share most of their haplotypes: a threshold moves along two Gaussian walks for each sample.
walk <- function() t(apply(matrix(rnorm(n * m), n), 1, function(e) stats::filter(sqrt(1 - 0.995^2) * e, 0.995, "recursive")))
frequency <- runif(m, 0.1, 0.5)
carries <- function(w) sweep(w, 2, qnorm(frequency), "<") * 1
g <- carries(walk()) + carries(walk())
g <- g[, apply(g, 2, var) > 0]

shrinkage <- function(x) {
  p <- ncol(x)
  x <- scale(x, scale = FALSE)
  s <- crossprod(x) / nrow(x)
  mu <- mean(diag(s))
  spread <- sum((s - mu * diag(p))^2) / p
  error <- sum(apply(x, 1, function(row) sum((tcrossprod(row) - s)^2))) / nrow(x)^2 / p
  alpha <- if (spread > 0) min(error, spread) / spread else 0
  list(alpha = alpha, covariance = (1 - alpha) * s + alpha * mu * diag(p))
}
rows <- list()
for (width in c(1, 2, 17, 200, 201, ncol(g))) {
  x <- g[, seq_len(width), drop = FALSE]
  blocks <- split(seq_len(width), (seq_len(width) - 1) %/% 200)
  parts <- lapply(blocks, function(b) {
    fit <- shrinkage(x[, b, drop = FALSE])
    values <- pmax(eigen(cov2cor(fit$covariance), symmetric = TRUE, only.values = TRUE)$values, 0)
    c(fit$alpha, which(cumsum(values) >= 0.99 * length(b) - 1e-9)[1])
  })
  rows[[length(rows) + 1]] <- c(width, sum(sapply(parts, `[`, 2)), sprintf("%.17g", parts[[1]][1]))
}
write.table(do.call(rbind, rows), "expected.tsv", sep = "\t", quote = FALSE, row.names = FALSE,
            col.names = c("variants", "tests", "first_block_shrinkage"))
write.table(t(g), "genotypes.tsv", sep = "\t", quote = FALSE, row.names = FALSE, col.names = sprintf("s%02d", seq_len(n)))
