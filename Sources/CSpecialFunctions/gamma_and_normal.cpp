#include "CSpecialFunctions.h"
#include "policy.hpp"
#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>

using csf::policy;

// x^a e^−x / Γ(a, x) as a continued fraction, by Lentz's method; for x well above a. Source: DLMF 8.9.2.
static double gamma_fraction(double a, double x) {
  constexpr int limit = 100000;
  double b = x + 1 - a, f = b, c = f, d = 0;
  for (int n = 1; n < limit; n++) {
    const double an = n * (a - n);
    b += 2;
    d = 1 / (b + an * d);
    c = b + an / c;
    const double step = c * d;
    f *= step;
    if (std::fabs(step - 1) < 4e-16) break;
  }
  return f;
}

double csf_log_gamma_q(double a, double x) {
  if (!(a > 0 && x >= 0)) return NAN;
  if (std::isinf(x)) return -INFINITY;
  const double upper = boost::math::gamma_q(a, x, policy());
  if (upper > 0.5) return std::log1p(-boost::math::gamma_p(a, x, policy()));
  if (upper > csf::smallest_trusted) return std::log(upper);
  const long double la = a;
  return static_cast<double>(la * std::log(static_cast<long double>(x)) - x - std::lgamma(la)) -
         std::log(gamma_fraction(a, x));
}

double csf_normal_quantile(double p) {
  if (!(p > 0 && p < 1)) return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
  return boost::math::quantile(boost::math::normal_distribution<double, policy>(), p);
}
