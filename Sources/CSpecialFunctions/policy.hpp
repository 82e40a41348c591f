#pragma once
#include <boost/math/policies/policy.hpp>

namespace csf {
namespace bmp = boost::math::policies;

// NaN or infinity instead of exceptions; long double arithmetic inside (without it the F tail was 8 % off at 1e-303).
using policy = bmp::policy<
    bmp::promote_double<true>, bmp::domain_error<bmp::ignore_error>, bmp::pole_error<bmp::ignore_error>,
    bmp::overflow_error<bmp::ignore_error>, bmp::evaluation_error<bmp::ignore_error>,
    bmp::rounding_error<bmp::ignore_error>, bmp::indeterminate_result_error<bmp::ignore_error>>;

// Below this a probability from Boost may have lost digits to underflow on its way.
constexpr double smallest_trusted = 1e-290;
}  // namespace csf
