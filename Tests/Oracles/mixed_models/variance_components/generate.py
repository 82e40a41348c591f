# Usage: python3 generate.py, in this directory. Writes input.tsv and expected.tsv.
#
# y ~ W, Var y = s2·V, V = (1 - h) I + h CKC/s, s = tr(CKC)/n, written out as n × n matrices: the score in h is solved by Brent's
# method in double precision from every change of sign on a fine grid, the likelihoods are then computed with 40 digits.
import mpmath
import numpy as np
from scipy.optimize import brentq

TOP = 1 - 1e-5
rng = np.random.default_rng(20260311)


def kinship(kind, calls):
    if kind == "identity":
        return np.eye(len(calls))
    z = calls - calls.mean(axis=0) if kind == "centered" else calls
    return z @ z.T / calls.shape[1]


def scaled(k):
    n = len(k)
    c = np.eye(n) - 1 / n
    k = c @ k @ c
    return k / (np.trace(k) / n)


def solve(k, w, y, h):
    n = len(y)
    inverse = np.linalg.inv((1 - h) * np.eye(n) + h * k)
    inverse = (inverse + inverse.T) / 2
    p = inverse - inverse @ w @ np.linalg.solve(w.T @ inverse @ w, w.T @ inverse)
    return inverse, p


def score(k, w, y, h, reml):
    """Of -2 ln L in h, s2 profiled out."""
    n, q = w.shape
    inverse, p = solve(k, w, y, h)
    change = k - np.eye(n)
    py = p @ y
    count = n - q if reml else n
    return np.trace((p if reml else inverse) @ change) - count * (py @ change @ py) / (y @ py)


def log_likelihood(k, w, y, h, reml):
    """Restricted with + ½ ln|W'W|."""
    mp = mpmath.mp
    mp.dps = 40
    n, q = w.shape
    h = mpmath.mpf(h)
    k, w, y = (mpmath.matrix(a.tolist()) for a in (k, w, y.reshape(-1, 1)))
    l = mpmath.cholesky((1 - h) * mpmath.eye(n) + h * k)

    def forward(b):
        x = b.copy()
        for column in range(b.cols):
            for i in range(n):
                total = x[i, column] - mpmath.fsum(l[i, j] * x[j, column] for j in range(i))
                x[i, column] = total / l[i, i]
        return x

    logdet = lambda a: 2 * sum(mpmath.log(a[i, i]) for i in range(a.rows))
    lw, ly = forward(w), forward(y)
    information = lw.T * lw
    cross = lw.T * ly
    rest = (ly.T * ly)[0] - (cross.T * mpmath.lu_solve(information, cross))[0]
    count = n - q if reml else n
    value = count * (mpmath.log(2 * mpmath.pi * rest / count) + 1) + logdet(l)
    if reml:
        value += logdet(mpmath.cholesky(information)) - logdet(mpmath.cholesky(w.T * w))
    return float(-value / 2), float(rest / count)


def maximise(k, w, y, reml):
    grid = np.concatenate([[0], 1 / (1 + np.exp(-np.linspace(-12, np.log(TOP / (1 - TOP)), 400)[:-1])), [TOP]])
    f = lambda h: score(k, w, y, h, reml)
    slopes = [f(h) for h in grid]
    found = [0.0] if slopes[0] >= 0 else []
    for a, b, low, high in zip(grid, grid[1:], slopes, slopes[1:]):
        if low < 0 <= high:
            found.append(brentq(f, a, b, xtol=1e-15, rtol=1e-14))
    if slopes[-1] < 0:
        found.append(TOP)
    if not reml and len(found) > 1 and found[-1] == TOP:
        # CKC has no variance along the intercept, which takes out what P could have there: with ln(1 - h) alone left of that direction
        # the likelihood has no bound at h = 1. Other maxima come first.
        found.pop()
    best = max((log_likelihood(k, w, y, h, reml) + (h,) for h in found), key=lambda x: x[0])
    h = best[2]
    status = "zero" if h == 0 else "one" if h == TOP else "interior"
    step = 1e-4 * min(h, 1 - h)
    se = np.sqrt(2 * 2 * step / (f(h + step) - f(h - step))) if status == "interior" else np.nan
    return h, se, best[1], best[0], log_likelihood(k, w, y, 0, reml)[0], status


# kind, n, q, variants, h of the trait; 2: the trait lies in the span of K.
problems = [
    ("centered", 15, 1, 40, 0.5), ("centered", 22, 2, 90, 0.7), ("centered", 30, 3, 200, 0.9),
    ("centered", 38, 6, 80, 0.4), ("centered", 45, 2, 130, 0.3), ("centered", 52, 4, 60, 0.8),
    ("centered", 60, 5, 70, 0.6), ("centered", 60, 1, 150, 0.95),
    # No heritability.
    ("centered", 40, 2, 100, 0.0), ("centered", 57, 3, 60, 0.0),
    # Fewer variants than samples: K is rank-deficient, its least eigenvalues are rounding, of either sign.
    ("centered", 33, 2, 20, 0.6), ("centered", 48, 4, 12, 0.5), ("raw", 41, 3, 25, 0.7),
    # h² near and at 1.
    ("centered", 26, 1, 15, 0.99999), ("centered", 35, 3, 18, 2), ("raw", 44, 2, 21, 2),
    # Not centred: the intercept takes out the largest eigenvalue.
    ("raw", 25, 1, 70, 0.5), ("raw", 50, 6, 120, 0.8),
    ("twins", 40, 2, 80, 0.9),
    ("identity", 20, 2, 4, 0.5),
]
inputs, expected = [], []
for number, (kind, n, q, m, h) in enumerate(problems):
    calls = rng.binomial(2, rng.uniform(0.1, 0.5, m), (n, m))
    if kind == "twins":
        calls[1::2] = calls[::2]
        kind = "centered"
    k = kinship(kind, calls)
    w = np.column_stack([np.ones(n)] + [np.round(rng.normal(size=n), 3) for _ in range(q - 1)])
    u = (calls - calls.mean(axis=0)) @ rng.normal(size=m)
    u /= u.std()
    e = rng.normal(size=n)
    y = 3 + w[:, 1:].sum(axis=1) + (u if h == 2 else np.sqrt(h) * u + np.sqrt(1 - h) * e)
    if h != 2:
        y = np.round(y, 6)
    for i in range(n):
        inputs.append([
            number, kind, "".join(map(str, calls[i])), ",".join(repr(float(x)) for x in w[i, 1:]) or "-",
            repr(float(y[i]))])
    k = scaled(k)
    for reml in (True, False):
        if kind == "identity":
            # Every h fits alike.
            if not reml:
                continue
            value, variance = log_likelihood(k, w, y, 0, reml)
            row = (0.0, np.nan, variance, value, value, "zero")
        else:
            row = maximise(k, w, y, reml)
        expected.append([number, "reml" if reml else "ml"] + [repr(float(x)) for x in row[:5]] + [row[5]])
        print(expected[-1], flush=True)


def write(path, header, rows):
    with open(path, "w") as file:
        for row in [header] + rows:
            file.write("\t".join(map(str, row)) + "\n")


write("input.tsv", ["problem", "kind", "calls", "covariates", "y"], inputs)
write("expected.tsv", ["problem", "likelihood", "h2", "se", "variance", "log_likelihood", "null", "status"], expected)
