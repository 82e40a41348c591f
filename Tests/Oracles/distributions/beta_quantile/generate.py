"""Lower tails of beta distributions by mpmath, 30 digits: writes expected.tsv beside this file.

ln x is an exact double; ln p and the slope d ln p/d ln x are rounded once. The tail away from the mean comes from
quadrature of the density, checked against a power series where that converges; the other one is its complement.
"""

import os

from mpmath import beta, exp, expm1, inf, log, log1p, mp, mpf, quad, sqrt

mp.dps = 30


def series(a, b, x, y):
    """ln I_x(a, b) as x^a y^b/(a B(a, b)) 2F1(a + b, 1; a + 1; x), all terms positive."""
    term = total = mpf(1)
    n = 0
    while term > mpf(10) ** -30 * total:
        term *= (a + b + n) / (a + 1 + n) * x
        total += term
        n += 1
    return a * log(x) + b * log(y) - log(a * beta(a, b)) + log(total)


def quadrature(a, b, x, y):
    """ln I_x(a, b) by quadrature of the density of w = ln(x/(1 - x)), log-concave, relative to that at x."""
    start = log(x / y)

    def log_ratio(u):
        w = start - u
        return -a * (log1p(exp(-w)) + log(x)) - b * (log1p(exp(w)) + log(y))
    rate = a * y - b * x + sqrt((a + b) * x * y) / 2
    pieces = [k / rate for k in (0, 1, 3, 8, 20, 50, 120, 400)] + [inf]
    return a * log(x) + b * log(y) - log(beta(a, b)) + log(quad(lambda u: exp(log_ratio(u)), pieces))


def smaller_tail(a, b, x, y):
    """ln I_x(a, b) for x below the mean."""
    value = quadrature(a, b, x, y)
    if x < 0.5 and a + b < 2000:
        other = series(a, b, x, y)
        assert abs(value - other) <= mpf(10) ** -17 * max(1, abs(other)), (a, b, x, value, other)
    return value


def row(a, b, log_x):
    log_x = float(log_x)
    a, b, x, y = mpf(a), mpf(b), exp(mpf(log_x)), -expm1(mpf(log_x))
    if x < a / (a + b):
        log_p = smaller_tail(a, b, x, y)
    else:
        log_p = log1p(-exp(smaller_tail(b, a, y, x)))
    slope = exp(a * log(x) + (b - 1) * log(y) - log(beta(a, b)) - log_p)
    return [float(a), float(b), log_x, float(log_p), float(slope)]


def rows():
    shapes = [0.1, 0.5, 1, 1.02, 4, 57.3, 1000, 1e5]
    for a in shapes:
        for b in shapes:
            mean, sd = mpf(a) / (a + b), sqrt(mpf(a) * b / (a + b + 1)) / (a + b)
            # Asymptotes of the far lower tail, of which 1e-300 is one, and of the upper one.
            places = [(mpf(p) + log(a * beta(a, b))) / a for p in (-12, -60, -690.7755278982137, -5000)]
            places += [log1p(-exp((mpf(p) + log(b * beta(a, b))) / b)) for p in (-3, -12)
                       if -80 < (p + log(b * beta(a, b))) / b < -1e-3]
            places += [log(mean + k * sd) for k in (-2, -0.5, 0, 1, 4) if 1e-9 < mean + k * sd < 1 - 1e-9]
            for place in places:
                if place < 0 and float(place) < 0:
                    yield row(a, b, place)


if __name__ == "__main__":
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "expected.tsv"), "w") as out:
        out.write("shape1\tshape2\tln_x\tln_p\tslope\n")
        for values in rows():
            out.write("\t".join(map(repr, values)) + "\n")
