# Writes bh.tsv beside this file: R's p.adjust on reported lists of p values, with the number of all tests.
# Usage: Rscript adjust.R (from this directory)
set.seed(20260101)
lists <- list(
  spread = list(p = 10^-runif(60, 0, 12), n = 5000),
  ties = list(p = c(1e-8, 1e-8, 3e-4, 3e-4, 3e-4, 0.02, 0.02, 0.9, 1, 1), n = 10),
  all_tests = list(p = runif(40), n = 40),
  huge_n = list(p = 10^-c(runif(30, 5, 20), 250, 290), n = 2016526),
  one = list(p = 0.003, n = 7),
  capped = list(p = c(0.4, 0.5, 0.9), n = 100))
rows <- do.call(rbind, lapply(names(lists), function(name) {
  p <- lists[[name]]$p
  n <- lists[[name]]$n
  data.frame(list = name, n = n, p = p, bh = p.adjust(p, "BH", n = n), bonferroni = p.adjust(p, "bonferroni", n = n))
}))
for (column in c("p", "bh", "bonferroni")) rows[[column]] <- sprintf("%.17g", rows[[column]])
write.table(rows, "bh.tsv", sep = "\t", quote = FALSE, row.names = FALSE)
