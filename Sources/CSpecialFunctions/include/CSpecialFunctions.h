#pragma once

// Special functions behind C. Boost.Math does what fits double's range; log-scale tails below it are ours.

#ifdef __cplusplus
extern "C" {
#endif

// ln B(a, b).
double csf_log_beta(double a, double b);

// ln I_x(a, b), the regularised incomplete beta, for any size of result: x and y = 1 − x are both given so that
// neither is rounded from the other. `log_beta` is ln B(a, b).
double csf_log_incomplete_beta(double a, double b, double x, double y, double log_beta);

// Φ⁻¹(p).
double csf_normal_quantile(double p);

#ifdef __cplusplus
}
#endif
