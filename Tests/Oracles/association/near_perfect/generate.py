"""Usage: python3 generate.py, in this directory. ln p down to -1e5, from integers (mpmath, 60 digits).

The data are a formula, not a file. Sample i < 9000 has u = splitmix64(i) (its first output from the seed i):
genotype (u >> 62) % 3, noise e = (u >> 20) % 2048 - 1024, covariate c = (u >> 40) % 64,
traits y_k = g + c/64 + e / 2^k for k in STEPS: all exact in binary.
"""
from mpmath import mp, mpf, matrix, lu_solve, betainc, log

mp.dps = 60
N, MASK = 9000, 2**64 - 1
STEPS = [10, 14, 18, 22, 26]


def splitmix64(seed):
    z = (seed + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def log_p(df, x):
    """ln I_x(df/2, 1/2), x = 1 - r^2, by the hypergeometric series: all terms positive."""
    a, b = mpf(df) / 2, mpf(1) / 2
    front = a * log(x) + b * log(1 - x) - log(a) - log(mp.beta(a, b))
    return front + log(mp.hyp2f1(a + b, 1, a + 1, x))


rows = []
for i in range(N):
    u = splitmix64(i)
    rows.append(((u >> 62) % 3, (u >> 40) % 64, (u >> 20) % 2048 - 1024))
# 1, c, g in exact integers; the traits differ by a scale of the noise only.
design = [[1, c, g] for g, c, e in rows]
gram = matrix([[sum(r[a] * r[b] for r in design) for b in range(3)] for a in range(3)])
df = N - 3
unit = lu_solve(gram, matrix([0, 0, 1]))[2]
with open("expected.tsv", "w") as out:
    print("step", "beta", "se", "t", "df", "log_p", sep="\t", file=out)
    for k in STEPS:
        y = [mpf(g) + mpf(c) / 64 + mpf(e) / 2**k for g, c, e in rows]
        moments = matrix([sum(r[a] * v for r, v in zip(design, y)) for a in range(3)])
        coefficients = lu_solve(gram, moments)
        rest = sum((v - sum(coefficients[a] * r[a] for a in range(3))) ** 2 for r, v in zip(design, y))
        se = mp.sqrt(rest / df * unit)
        t = coefficients[2] / se
        print(k, *(mp.nstr(x, 20) for x in (coefficients[2], se, t)), df, mp.nstr(log_p(df, df / (df + t * t)), 20),
              sep="\t", file=out)
