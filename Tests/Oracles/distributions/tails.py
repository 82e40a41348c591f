"""Reference tails of distributions by mpmath: writes student_t.tsv and tails.tsv beside this file.

Arguments are doubles, printed so that they are read back exactly; expected values are rounded once, from 50 digits.
The product uses power series and continued fractions; here Student's t comes from quadrature of its density, checked
against the complementary integral or the hypergeometric function where those keep their digits.
"""

import os

from mpmath import beta, betainc, erfc, exp, gammainc, inf, log, log1p, mp, mpf, quad, sqrt

mp.dps = 50
HERE = os.path.dirname(os.path.abspath(__file__))
HALF = mpf(1) / 2


def agree(a, b, where):
    assert abs(a - b) <= mpf(10) ** -20 * (1 + abs(a)), (where, a, b)


class StudentT:
    def __init__(self, nu):
        self.nu = mpf(nu)
        self.constant = log(beta(self.nu / 2, HALF)) + log(self.nu) / 2

    def log_density(self, t):
        return -(self.nu + 1) / 2 * log1p(t * t / self.nu) - self.constant

    def central(self, t):
        return 2 * quad(lambda s: exp(self.log_density(s)), [t * mpf(k) / 4 for k in range(5)])

    def tail(self, t):
        """ln P(|T| >= t) from the density of u = ln(s/t), which falls like exp(-rate u) and then faster."""
        def log_integrand(u):
            return u + self.log_density(t * exp(u)) - self.log_density(t)
        rate = (self.nu + 1) * t * t / (self.nu + t * t) - 1
        width = 1 / max(rate, HALF)
        pieces = [width * k for k in (0, 1, 3, 8, 20, 50, 120)] + [inf]
        return log(2 * t) + self.log_density(t) + log(quad(lambda u: exp(log_integrand(u)), pieces))

    def log_two_sided_p(self, t):
        t = mpf(t)
        if t <= 1:
            value = log1p(-self.central(t))
            if t >= HALF:
                agree(value, self.tail(t), (self.nu, t))
            return value
        value = self.tail(t)
        if t <= 7:
            agree(value, log1p(-self.central(t)), (self.nu, t))
        elif self.nu <= 110:
            x = self.nu / (self.nu + t * t)
            agree(value, log(betainc(self.nu / 2, HALF, 0, x, regularized=True)), (self.nu, t))
        return value


NUS = [1, 2, 3, 5, 10, 14.5, 57, 110, 367, 1000, 49998, 1e6, 1e7]
TS = [1e-8, 1e-4, 0.01, 0.1, 0.5, 0.68, 1, 1.5, 1.96, 2.5, 3, 3.16, 3.3, 4, 5.5, 7, 10, 15, 25, 38.8, 60, 100, 200,
      447, 1000, 1e4, 1e6, 1e12, 1e30, 1e75, 1e150]


def student_t():
    for nu in NUS:
        distribution = StudentT(nu)
        # ln p near -700, -1e4 and -1e5, where the t for it is a double.
        extremes = [float(sqrt(nu * (exp(mpf(v) * 2 / nu) - 1))) for v in (700, 1e4, 1e5) if v / nu < 340]
        for t in sorted(set(TS + extremes)):
            value = distribution.log_two_sided_p(t)
            yield nu, t, value
            if value < -1.5e5:
                break


def tails():
    """(distribution, x, parameter, parameter, ln p), upper tails but for the beta's lower one."""
    for z in (-40, -10, -1, -1e-9, 0, 0.5, 3, 10, 36.9, 37.1, 60, 1e3, 1e10):
        yield "normal", z, 0, 0, log(erfc(mpf(z) / sqrt(2)) / 2)
    for k in (0.5, 1, 2, 7, 100, 5000):
        for x in (1e-6, 0.3, 1, 10, 120, 1500, 5300, 1e5):
            a, half = mpf(k) / 2, mpf(x) / 2
            yield "chi-squared", x, k, 0, log(gammainc(a, half, inf, regularized=True))
    for d1, d2 in ((1, 1), (1, 57), (3, 367), (10, 1000), (200, 12.5)):
        for f in (1e-7, 0.2, 1, 2.5, 30, 4e3, 1e9, 1e40):
            x = mpf(d2) / (mpf(d2) + mpf(d1) * mpf(f))
            yield "f", f, d1, d2, log(betainc(mpf(d2) / 2, mpf(d1) / 2, 0, x, regularized=True))
    for a, b in ((1.02, 57.3), (0.5, 0.5), (30, 2), (300, 1200)):
        for x in (1e-300, 1e-12, 0.01, 0.2, 0.25, 0.7, 0.999):
            yield "beta", x, a, b, log(betainc(mpf(a), mpf(b), 0, mpf(x), regularized=True))


def write(name, header, rows):
    count = 0
    with open(os.path.join(HERE, name), "w") as out:
        out.write("\t".join(header) + "\n")
        for row in rows:
            out.write("\t".join(v if isinstance(v, str) else repr(float(v)) for v in row) + "\n")
            count += 1
    print(name, count, "rows")


if __name__ == "__main__":
    write("student_t.tsv", ["nu", "t", "ln_two_sided_p"], student_t())
    write("tails.tsv", ["distribution", "x", "parameter1", "parameter2", "ln_p"], tails())
