#include "CSpecialFunctions.h"
#include "policy.hpp"
#include <boost/math/special_functions/digamma.hpp>
#include <boost/math/special_functions/trigamma.hpp>
#include <cmath>

using csf::policy;

namespace {
long double digamma(long double x) { return boost::math::digamma(x, policy()); }
long double trigamma(long double x) { return boost::math::trigamma(x, policy()); }
bool positive(double x) { return x > 0 && std::isfinite(x); }
}  // namespace

double csf_digamma(double x) { return positive(x) ? static_cast<double>(digamma(x)) : NAN; }

double csf_trigamma(double x) { return positive(x) ? static_cast<double>(trigamma(x)) : NAN; }

double csf_digamma_rise(double x, double h) {
  if (!(positive(x) && h >= 0 && std::isfinite(h))) return NAN;
  return static_cast<double>(digamma(static_cast<long double>(x) + h) - digamma(x));
}

double csf_trigamma_rise(double x, double h) {
  if (!(positive(x) && h >= 0 && std::isfinite(h))) return NAN;
  return static_cast<double>(trigamma(static_cast<long double>(x) + h) - trigamma(x));
}
