#include "CSpecialFunctions.h"
#include "policy.hpp"
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

using csf::policy;

namespace {

// x^a y^b / (B(a, b) I_x(a, b)) as a continued fraction b₀ + a₁/(b₁ + a₂/(b₂ + …)), by Lentz's method.
// It converges fast for x < (a + 1)/(a + b + 2), in O(√max(a, b)) steps at worst.
// Source: Didonato & Morris 1992, doi:10.1145/131766.131776: the even part of DLMF 8.17.22.
inline double beta_fraction(double a, double b, double x, double y) {
  constexpr int limit = 100000;
  const double xx = x * x, base = a * y - b * x + 1;
  double f = a / (a + 1) * base, c = f, d = 0;
  for (int i = 1; i < limit; i++) {
    const double m = i, down = 1 / (a + 2 * m - 1), mb = m * (b - m) * down;
    const double an = mb * (a + m - 1) * (a + b + m - 1) * xx * down;
    const double bn = m + mb * x + (a + m) * (base + m * (2 - x)) / (a + 2 * m + 1);
    d = 1 / (bn + an * d);
    c = bn + an / c;
    const double step = c * d;
    f *= step;
    if (std::fabs(step - 1) < 4e-16) break;
  }
  return f;
}

// ln x from the smaller of x and y = 1 − x.
inline double log_of(double x, double y) { return y < 0.5 ? std::log1p(-y) : std::log(x); }

}  // namespace

double csf_log_beta(double a, double b) {
  // Boost's beta keeps the digits that cancel in a difference of lgammas; below double's range the difference is left.
  const double value = boost::math::beta(a, b, policy());
  if (value > csf::smallest_trusted && std::isfinite(value)) return std::log(value);
  const long double la = a, lb = b;
  return static_cast<double>(std::lgamma(la) + std::lgamma(lb) - std::lgamma(la + lb));
}

double csf_log_incomplete_beta(double a, double b, double x, double y) {
  if (!(a > 0 && b > 0 && x >= 0 && y >= 0)) return NAN;
  if (x == 0) return -INFINITY;
  if (y == 0) return 0;
  const double lower = x < y ? boost::math::ibeta(a, b, x, policy()) : boost::math::ibetac(b, a, y, policy());
  if (lower > 0.5) {
    return std::log1p(-(x < y ? boost::math::ibetac(a, b, x, policy()) : boost::math::ibeta(b, a, y, policy())));
  }
  if (lower > csf::smallest_trusted) return std::log(lower);
  return a * log_of(x, y) + b * log_of(y, x) - csf_log_beta(a, b) - std::log(beta_fraction(a, b, x, y));
}

double csf_log_t_tail(double a, double x, double y, double log_beta, double inverse_beta) {
  if (!(x >= 0 && y >= 0)) return NAN;
  if (x == 0) return -INFINITY;
  if (y <= 0.35 && a * y <= 5) {
    // Central part I_y(½, a) by its power series (DLMF 8.17.8), all terms positive; p stays above 1e-3, so that the
    // subtraction from 1 costs no more than three digits. About 35 terms at worst.
    double term = 1, sum = 1;
    for (int n = 0; n < 1000 && term > 1e-17 * sum; n++) {
      term *= (a + 0.5 + n) * y / (1.5 + n);
      sum += term;
    }
    const double central = 2 * inverse_beta * std::sqrt(y) * std::exp(a * std::log1p(-y)) * sum;
    return std::log1p(-central);
  }
  return a * log_of(x, y) + std::log(std::sqrt(y) / beta_fraction(a, 0.5, x, y)) - log_beta;
}
