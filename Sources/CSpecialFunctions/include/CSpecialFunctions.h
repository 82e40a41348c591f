#pragma once

// Special functions behind C. Boost.Math does what fits double's range; the log-scale tails below it are ours.
// No function raises or sets errno: an argument outside the domain gives NaN.

#ifdef __cplusplus
extern "C" {
#endif

// ln B(a, b) for a, b > 0.
double csf_log_beta(double a, double b);

// ln I_x(a, b), the regularised incomplete beta, however small. x and y = 1 − x are both given so that neither is
// rounded from the other.
double csf_log_incomplete_beta(double a, double b, double x, double y);

// ln I_x(a, ½): Student's two-sided tail for a = ν/2, x = ν/(ν + t²), y = 1 − x. `log_beta` is ln B(a, ½),
// `inverse_beta` 1/B(a, ½). Made for hot loops: some hundred nanoseconds.
double csf_log_t_tail(double a, double x, double y, double log_beta, double inverse_beta);

// ln Q(a, x), the regularised upper incomplete gamma, however small.
double csf_log_gamma_q(double a, double x);

// Φ⁻¹(p).
double csf_normal_quantile(double p);

// ψ(x) and ψ′(x), x > 0.
double csf_digamma(double x);
double csf_trigamma(double x);

// ψ(x + h) − ψ(x) and ψ′(x + h) − ψ′(x), x > 0, h ≥ 0, subtracted in extended precision: for h far below x little of
// a difference of doubles would be left.
double csf_digamma_rise(double x, double h);
double csf_trigamma_rise(double x, double h);

#ifdef __cplusplus
}
#endif
