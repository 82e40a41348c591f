"""Usage: python3 generate.py, in this directory. Regressions solved by the normal equations in 60 digits (mpmath).

Fractional dosages (multiples of 1/64, so that single precision holds them exactly), heavy-tailed traits with a large
mean, a covariate that explains nearly all of one variant, each trait with missing samples of its own.
"""
import numpy as np
from mpmath import mp, mpf, matrix, lu_solve, betainc, log

mp.dps = 60
rng = np.random.default_rng(20240902)
n, m, traits = 90, 8, 6
ids = [f"s{i:03d}" for i in range(n)]
genotypes = np.clip(np.round(64 * (rng.binomial(2, rng.uniform(0.1, 0.5, m), (n, m))
                                   + rng.normal(0, 0.15, (n, m)))) / 64, 0, 2)
genotypes[rng.random((n, m)) < 0.04] = np.nan
means = np.nanmean(genotypes, axis=0)
covariates = np.round(np.column_stack([
    rng.normal(size=n), np.where(np.isnan(genotypes[:, 1]), means[1], genotypes[:, 1]) + rng.normal(0, 0.01, n),
    rng.integers(0, 2, n), 1e4 + rng.normal(size=n)]), 6)
phenotypes = np.round(1000 + rng.standard_t(2, (n, traits)) * 10.0 ** np.arange(-2, traits - 2), 8)
phenotypes[:, 0] += np.round(3 * np.nan_to_num(genotypes[:, 0], nan=1), 8)
phenotypes[rng.random((n, traits)) < 0.08] = np.nan
phenotypes[:, 5] = np.where(np.isnan(phenotypes[:, 5]), 1000, phenotypes[:, 5])


def regress(y, g):
    rows = [i for i in range(n) if not np.isnan(y[i])]
    observed = [mpf(float(x)) for x in g if not np.isnan(x)]
    mean = sum(observed) / len(observed)
    x = matrix([[1] + [mpf(float(c)) for c in covariates[i]] + [mean if np.isnan(g[i]) else mpf(float(g[i]))]
                for i in rows])
    target = matrix([mpf(float(y[i])) for i in rows])
    gram = x.T * x
    coefficients = lu_solve(gram, x.T * target)
    rest = target - x * coefficients
    df = len(rows) - x.cols
    unit = matrix(x.cols, 1)
    unit[x.cols - 1] = 1
    se = mp.sqrt((rest.T * rest)[0] / df * lu_solve(gram, unit)[x.cols - 1])
    t = coefficients[x.cols - 1] / se
    p = betainc(mpf(df) / 2, mpf(1) / 2, 0, df / (df + t * t), regularized=True)
    return coefficients[x.cols - 1], se, t, df, log(p)


def table(path, names, values):
    with open(path, "w") as out:
        print("sample", *names, sep="\t", file=out)
        for name, row in zip(ids, values):
            print(name, *("NA" if np.isnan(v) else repr(float(v)) for v in row), sep="\t", file=out)


table("genotypes.tsv", [f"v{j}" for j in range(m)], genotypes)
table("phenotypes.tsv", [f"t{j}" for j in range(traits)], phenotypes)
table("covariates.tsv", ["pc1", "proxy", "batch", "offset"], covariates)
with open("expected.tsv", "w") as out:
    print("variant", "trait", "beta", "se", "t", "df", "log_p", sep="\t", file=out)
    for v in range(m):
        for k in range(traits):
            beta, se, t, df, logp = regress(phenotypes[:, k], genotypes[:, v])
            print(v, k, *(mp.nstr(x, 20) for x in (beta, se, t)), df, mp.nstr(logp, 20), sep="\t", file=out)
