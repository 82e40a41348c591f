# Against lm() on a small study; with SWIFTQTL, PREFIX in the environment also against the program's table.
library(swiftqtl)
set.seed(1)
n <- 60
samples <- sprintf("s%02d", seq_len(n))
G <- matrix(rbinom(20 * n, 2, 0.4), 20, dimnames = list(sprintf("v%02d", 1:20), samples))
Y <- matrix(rnorm(3 * n), 3, dimnames = list(c("a", "b", "c"), samples)) + G[1:3, ]
W <- matrix(rnorm(2 * n), 2, dimnames = list(c("age", "pc"), samples))
G[4, 3] <- NA

check <- function(found) {
  stopifnot(identical(names(found$all$eqtls), c("snps", "gene", "statistic", "pvalue", "FDR", "beta")))
  stopifnot(found$all$ntests == 60, found$all$neqtls == 60, !is.unsorted(found$all$eqtls$pvalue))
  for (i in seq_len(nrow(found$all$eqtls))) {
    row <- found$all$eqtls[i, ]
    g <- G[as.character(row$snps), ]
    g[is.na(g)] <- mean(g, na.rm = TRUE)
    fit <- summary(lm(Y[as.character(row$gene), ] ~ W[1, ] + W[2, ] + g))$coefficients["g", ]
    # Two fp64 solutions of well-conditioned problems of 60 rows; p loses t's last digits times t.
    stopifnot(all.equal(c(row$beta, row$statistic), unname(fit[c(1, 3)]), tolerance = 1e-9))
    stopifnot(all.equal(row$pvalue, unname(fit[4]), tolerance = 1e-7))
  }
  stopifnot(all.equal(found$all$eqtls$FDR, p.adjust(found$all$eqtls$pvalue, "BH"), tolerance = 1e-9))
}
full <- swiftqtl_trans(G, Y, W, pvOutputThreshold = 1)
check(full)
check(swiftqtl_trans(G[, n:1], Y, W[, c(5:n, 1:4)], pvOutputThreshold = 1))

# Dosages that are no whole numbers, by place, without covariates.
D <- unname(G) / 2
D[is.na(D)] <- 0.5
found <- swiftqtl_trans(D, unname(Y), pvOutputThreshold = 1)$all$eqtls
one <- found[found$snps == "variant02" & found$gene == "phenotype2", ]
stopifnot(nrow(one) == 1, all.equal(one$beta, unname(coef(lm(Y[2, ] ~ D[2, ]))[2]), tolerance = 1e-9))

# Near pairs are left out where there are positions.
snpspos <- data.frame(id = rownames(G), chr = "1", pos = 1e6 * 1:20)
genepos <- data.frame(id = rownames(Y), chr = c("1", "1", "2"), left = 5e6, right = 5e6)
far <- swiftqtl_trans(G, Y, W, 1, snpspos, genepos, cisDist = 3e6)
stopifnot(far$all$ntests == 60 - 2 * 7)

# Mixed models of unrelated samples are least squares.
mixed <- swiftqtl_trans(G, Y, W, pvOutputThreshold = 1, kinship = matrix(diag(n), n, dimnames = list(samples, samples)))
key <- function(x) paste(x$all$eqtls$snps, x$all$eqtls$gene)
stopifnot(all.equal(mixed$all$eqtls$beta[order(key(mixed))], full$all$eqtls$beta[order(key(full))], tolerance = 1e-8))

# Errors leave nothing behind and say what is wrong.
message <- tryCatch(swiftqtl_trans("/no/where", Y), error = conditionMessage)
stopifnot(grepl("/no/where", message))
D[2, 3] <- 2.5
stopifnot(inherits(try(swiftqtl_trans(D, unname(Y)), silent = TRUE), "try-error"))

prefix <- Sys.getenv("PREFIX")
if (nzchar(prefix)) {
  out <- tempfile()
  files <- c(prefix, paste0(prefix, ".phenotypes.bed.gz"), paste0(prefix, ".covariates.tsv"))
  system2(Sys.getenv("SWIFTQTL"), c("trans", "--genotypes", files[1], "--phenotypes", files[2], "--covariates", files[3],
    "--pval-threshold", "1e-3", "--maf", "0", "--max-missing", "1", "--quiet", "--out", out))
  table <- read.delim(gzfile(paste0(out, ".trans.tsv.gz")))
  found <- swiftqtl_trans(files[1], files[2], files[3], pvOutputThreshold = 1e-3)$all$eqtls
  table <- table[order(table$variant_id, table$phenotype_id), ]
  found <- found[order(found$snps, found$gene), ]
  stopifnot(nrow(table) > 50, identical(found$snps, table$variant_id), identical(found$gene, table$phenotype_id))
  # The program prints nine digits.
  printed <- function(x) as.numeric(sprintf("%.9g", x))
  for (pair in list(c("beta", "beta"), c("statistic", "t"), c("pvalue", "p"), c("FDR", "q")))
    stopifnot(identical(printed(found[[pair[1]]]), as.numeric(table[[pair[2]]])))
  cat("as the program's table:", nrow(table), "pairs\n")
}
cat("swiftqtl", swiftqtl_version(), "for R: all as expected\n")
