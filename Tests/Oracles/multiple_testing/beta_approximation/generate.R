# Usage: Rscript generate.R, in this directory. Beta approximation of simulated maxima by explicit formulas: every p by pt,
# nu by uniroot on log(moment shape1) = 0, shapes by optim (BFGS, analytic gradient) on the log-likelihood of dbeta.
set.seed(20260202)

# Best partial r of `tests` effective tests in each of `copies`; `true` degrees of freedom; rho correlates neighbours.
maxima <- function(copies, tests, true, tail, rho = 0) {
  replicate(copies, {
    z <- as.vector(stats::filter(rnorm(tests) * sqrt(1 - rho^2), rho, method = "recursive", init = rnorm(1)))
    t <- z / sqrt(rchisq(1, true) / true)
    r <- t / sqrt(true + t^2)
    if (tail == "two-sided") r[which.max(abs(r))] else max(r)
  })
}
p_of <- function(r, nu, tail) {
  t <- r * sqrt(nu / ((1 - r) * (1 + r)))
  if (tail == "two-sided") 2 * pt(-abs(t), nu) else pt(-t, nu)
}
moments <- function(p) {
  m <- mean(p)
  v <- mean((p - m)^2)
  shape1 <- m * (m * (1 - m) / v - 1)
  c(shape1, shape1 * (1 / m - 1))
}
fit <- function(r, nominal, tail) {
  nu <- exp(uniroot(function(l) log(moments(p_of(r, exp(l), tail))[1]), log(nominal) + c(-3, 3), tol = 1e-13)$root)
  p <- p_of(r, nu, tail)
  start <- moments(p)
  l1 <- mean(log(p))
  l2 <- mean(log1p(-p))
  # The log-likelihood per copy; checked against dbeta below.
  value <- function(s) -((exp(s[1]) - 1) * l1 + (exp(s[2]) - 1) * l2 - lbeta(exp(s[1]), exp(s[2])))
  slope <- function(s) {
    a <- exp(s[1]); b <- exp(s[2])
    -c(a * (l1 - digamma(a) + digamma(a + b)), b * (l2 - digamma(b) + digamma(a + b)))
  }
  s <- log(start)
  stopifnot(abs(value(s) + mean(dbeta(p, start[1], start[2], log = TRUE))) < 1e-9)
  for (k in 1:5) s <- optim(s, value, slope, method = "BFGS", control = list(reltol = 1e-16, maxit = 1000))$par
  stopifnot(max(abs(slope(s))) < 1e-7)
  list(nu = nu, start = start, shapes = exp(s))
}
cases <- list(
  one_variant = list(copies = 300, tests = 1, true = 110, nominal = 110, tail = "two-sided"),
  few_samples = list(copies = 400, tests = 5, true = 5, nominal = 5, tail = "two-sided"),
  one_degree = list(copies = 400, tests = 8, true = 1, nominal = 1, tail = "two-sided"),
  cohort = list(copies = 500, tests = 1500, true = 330, nominal = 367, tail = "two-sided", rho = 0.8),
  many_samples = list(copies = 400, tests = 4000, true = 40000, nominal = 49998, tail = "two-sided"),
  one_sided = list(copies = 400, tests = 60, true = 57, nominal = 57, tail = "one-sided", rho = 0.5),
  one_sided_single = list(copies = 300, tests = 1, true = 57, nominal = 57, tail = "one-sided"))
exact <- function(x) sprintf("%.17g", x)
rows <- list(); copies <- list(); looks <- list()
for (name in names(cases)) {
  case <- cases[[name]]
  r <- signif(do.call(maxima, case[c("copies", "tests", "true", "tail", if (!is.null(case$rho)) "rho")]), 7)
  found <- fit(r, case$nominal, case$tail)
  rows[[name]] <- data.frame(
    case = name, tail = case$tail, nominal = case$nominal, true_df = exact(found$nu), shape1 = exact(found$shapes[1]),
    shape2 = exact(found$shapes[2]), moment_shape2 = exact(found$start[2]))
  copies[[name]] <- data.frame(case = name, r = exact(r))
  # Observed r from weak to strong: p on the fitted scale, p of the beta, empirical p; and the way back.
  extreme <- if (case$tail == "two-sided") abs(r) else r
  for (observed in signif(c(median(extreme), max(extreme), min(1 - (1 - max(extreme)) / 2, 1.5 * max(extreme))), 7)) {
    p <- p_of(observed, found$nu, case$tail)
    beta <- pbeta(p, found$shapes[1], found$shapes[2], log.p = TRUE)
    looks[[length(looks) + 1]] <- data.frame(
      case = name, r = exact(observed), ln_p_true_df = exact(log(p)), ln_p_beta = exact(beta),
      ln_p_nominal = exact(log(p_of(observed, case$nominal, case$tail))),
      p_empirical = exact((1 + sum(extreme >= observed)) / (1 + length(r))))
  }
}
write <- function(x, file) write.table(do.call(rbind, x), file, sep = "\t", quote = FALSE, row.names = FALSE)
write(rows, "expected.tsv")
write(copies, "maxima.tsv")
write(looks, "lookups.tsv")
