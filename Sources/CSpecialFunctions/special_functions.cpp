#include "CSpecialFunctions.h"
#include <boost/math/distributions/normal.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>
#include <limits>

namespace {
namespace bmp = boost::math::policies;
// NaN instead of exceptions; double results from long double arithmetic.
using policy = bmp::policy<
    bmp::promote_double<true>, bmp::domain_error<bmp::ignore_error>, bmp::pole_error<bmp::ignore_error>,
    bmp::overflow_error<bmp::ignore_error>, bmp::evaluation_error<bmp::ignore_error>>;

// The continued fraction of I_x(a, b)·a·B(a, b)/(x^a y^b), by Lentz's method; converges fast for x < (a + 1)/(a + b + 2).
// Source: DLMF 8.17.22.
double beta_fraction(double a, double b, double x) {
  constexpr double tiny = 1e-300;
  constexpr int limit = 100000;
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::fabs(d) < tiny ? tiny : d);
  double h = d;
  for (int m = 1; m < limit; m++) {
    const double am = a + 2.0 * m;
    const double even = m * (b - m) * x / ((am - 1) * am);
    d = 1 + even * d;
    c = 1 + even / c;
    d = 1 / (std::fabs(d) < tiny ? tiny : d);
    if (std::fabs(c) < tiny) c = tiny;
    h *= d * c;
    const double odd = -(a + m) * (a + b + m) * x / (am * (am + 1));
    d = 1 + odd * d;
    c = 1 + odd / c;
    d = 1 / (std::fabs(d) < tiny ? tiny : d);
    if (std::fabs(c) < tiny) c = tiny;
    const double step = d * c;
    h *= step;
    if (std::fabs(step - 1) < 1e-16) break;
  }
  return h;
}

// ln x from the smaller of x and y = 1 − x.
double log_of(double x, double y) { return y < 0.5 ? std::log1p(-y) : std::log(x); }
}  // namespace

double csf_log_beta(double a, double b) {
  // Boost's beta keeps its relative error where lgamma differences cancel; below double range the difference is all there is.
  const double value = boost::math::beta(a, b, policy());
  if (value > std::numeric_limits<double>::min() && std::isfinite(value)) return std::log(value);
  return std::lgamma(a) + std::lgamma(b) - std::lgamma(a + b);
}

double csf_log_incomplete_beta(double a, double b, double x, double y, double log_beta) {
  if (!(x > 0)) return x == 0 ? -std::numeric_limits<double>::infinity() : NAN;
  if (!(y > 0)) return y == 0 ? 0 : NAN;
  const double front = a * log_of(x, y) + b * log_of(y, x) - log_beta;
  if (x < (a + 1) / (a + b + 2)) return front + std::log(beta_fraction(a, b, x) / a);
  const double complement = std::exp(front) * beta_fraction(b, a, y) / b;
  return std::log1p(-std::fmin(complement, 1));
}

double csf_normal_quantile(double p) {
  if (!(p > 0 && p < 1)) return p == 0 ? -INFINITY : p == 1 ? INFINITY : NAN;
  return boost::math::quantile(boost::math::normal_distribution<double, policy>(), p);
}
