/// A zero of `f` between `a` and `b`, where it has the values `fa` and `fb` of opposite sign (or one is zero), to within
/// `tolerance`; nil when `f` gives NaN.
///
/// Inverse quadratic interpolation where it is safe, bisection elsewhere: about eight evaluations for a smooth function.
/// - Source: Chandrupatla 1997, doi:10.1016/S0965-9978(96)00051-8.
func zero(
  between a: Double, _ fa: Double, and b: Double, _ fb: Double, tolerance: Double, of f: (Double) -> Double
) -> Double? {
  // `near` and `far` bracket the zero, `old` is the last point given up; fraction is where to look from near to far.
  var (near, fNear, far, fFar) = (b, fb, a, fa)
  var fraction = 0.5
  for _ in 0..<200 {
    if fNear == 0 { return near }
    if fFar == 0 { return far }
    let x = near + fraction * (far - near)
    let fx = f(x)
    if fx.isNaN { return nil }
    let old: Double
    let fOld: Double
    if (fx < 0) == (fNear < 0) {
      (old, fOld) = (near, fNear)
    } else {
      (old, fOld) = (far, fFar)
      (far, fFar) = (near, fNear)
    }
    (near, fNear) = (x, fx)
    let best = abs(fNear) < abs(fFar) ? near : far
    let least = tolerance / abs(far - near)
    if fNear == 0 || least > 0.5 { return best }
    let xi = (near - far) / (old - far)
    let phi = (fNear - fFar) / (fOld - fFar)
    fraction = 0.5
    if phi * phi < xi && (1 - phi) * (1 - phi) < 1 - xi {
      fraction =
        fNear / (fFar - fNear) * fOld / (fFar - fOld)
        + (old - near) / (far - near) * fNear / (fOld - fNear) * fFar / (fOld - fFar)
    }
    fraction = min(max(fraction, least), 1 - least)
  }
  return near
}
