#!/usr/bin/env python3
"""Checks a trans table against ordinary least squares by NumPy and SciPy, every pair of the study.

usage: check.py PREFIX [P]

PREFIX is that of `swiftqtl simulate` and of `swiftqtl trans --no-exclude-cis --maf 0 --max-missing 1 --pval-threshold P` (0.01);
README.md has the commands. Prints the largest differences; exits 1 when they exceed what printing nine digits explains.
"""
import gzip
import sys

import numpy as np
from scipy import stats

# Cells have nine significant digits: rounding alone makes 5e-9.
TOLERANCE = 1e-8


def read_bed(prefix, n):
    """variants × samples copies of A1, NaN where missing."""
    raw = np.fromfile(prefix + ".bed", np.uint8)
    assert bytes(raw[:3]) == b"\x6c\x1b\x01", "not a variant-major bed"
    packed = raw[3:].reshape(-1, -(-n // 4))
    codes = np.stack([(packed >> shift) & 3 for shift in (0, 2, 4, 6)], axis=2)
    return np.array([2.0, np.nan, 1.0, 0.0])[codes.reshape(len(packed), -1)[:, :n]]


def read_rows(text, key):
    """Sample names of the header, row names from column `key`, and the cells behind it."""
    lines = [line.rstrip("\n").split("\t") for line in text]
    cells = [[np.nan if c == "NA" else float(c) for c in line[key + 1 :]] for line in lines[1:]]
    return lines[0][key + 1 :], [line[key] for line in lines[1:]], np.array(cells)


def least_squares(design, y):
    """Slope of the last column, its standard error, t, ν and ln p, from `lstsq` on the whole design."""
    coefficients, _, rank, _ = np.linalg.lstsq(design, y, rcond=None)
    residual = y - design @ coefficients
    df = len(y) - rank
    covariance = np.linalg.inv(design.T @ design)
    se = np.sqrt(residual @ residual / df * covariance[-1, -1])
    t = coefficients[-1] / se
    return coefficients[-1], se, t, df, np.log(2) + stats.t.logsf(abs(t), df)


def candidates(genotypes, covariates, y, threshold):
    """Variants whose p may be at most the threshold, from partial correlations of all of them."""
    q = np.linalg.qr(covariates)[0]
    e = genotypes - q @ (q.T @ genotypes)
    r = y - q @ (q.T @ y)
    correlation = r @ e / np.sqrt((r @ r) * (e * e).sum(axis=0))
    df = len(y) - q.shape[1] - 1
    t = correlation * np.sqrt(df / (1 - correlation**2))
    return np.flatnonzero(2 * stats.t.sf(abs(t), df) <= threshold)


def expected_rows(prefix, threshold):
    samples = [line.split()[1] for line in open(prefix + ".fam")]
    variants = [line.split()[1] for line in open(prefix + ".bim")]
    genotypes = read_bed(prefix, len(samples)).T
    names, genes, phenotypes = read_rows(gzip.open(prefix + ".phenotypes.bed.gz", "rt"), 3)
    phenotypes = phenotypes[:, [names.index(s) for s in samples]]
    names, _, covariates = read_rows(open(prefix + ".covariates.tsv"), 0)
    design = np.column_stack([np.ones(len(samples)), covariates[:, [names.index(s) for s in samples]].T])

    means = np.nanmean(genotypes, axis=0)
    imputed = np.where(np.isnan(genotypes), means, genotypes)
    rows = {}
    for gene, y in zip(genes, phenotypes):
        seen = ~np.isnan(y)
        w, g, observed = design[seen], imputed[seen], y[seen]
        # A little above the threshold: what lies between is looked at below.
        for v in candidates(g, w, observed, threshold * (1 + 1e-6)):
            fit = least_squares(np.column_stack([w, g[:, v]]), observed)
            rows[variants[v], gene] = (*fit, means[v] / 2, seen.sum())
    return rows, len(variants) * len(genes)


def main():
    prefix = sys.argv[1]
    threshold = float(sys.argv[2]) if len(sys.argv) > 2 else 0.01
    expected, tests = expected_rows(prefix, threshold)
    header, *lines = [line.rstrip("\n").split("\t") for line in gzip.open(prefix + ".trans.tsv.gz", "rt")]
    found = {}
    for line in lines:
        row = dict(zip(header, line))
        key = row["variant_id"], row["phenotype_id"]
        assert key not in found, f"{key} twice"
        found[key] = {name: float(row[name]) for name in "beta se t df neg_log10_p p r2 af n q".split()}

    sure = {key for key, fit in expected.items() if np.exp(fit[4]) <= threshold * (1 - 1e-9)}
    possible = {key for key, fit in expected.items() if np.exp(fit[4]) <= threshold * (1 + 1e-9)}
    missing, extra = sure - found.keys(), found.keys() - possible
    print(f"{tests} pairs, {len(sure)} with p <= {threshold}; table {len(found)}: {len(missing)} missing, {len(extra)} extra")
    print(f"smallest p {np.exp(min(fit[4] for fit in expected.values())):.3g}, n {min(f[6] for f in expected.values())} to {max(f[6] for f in expected.values())}")

    keys = [key for key in found if key in expected]
    beta, se, t, df, log_p, af, n = (np.array(column) for column in zip(*(expected[key] for key in keys)))
    order = np.argsort(log_p)
    q = np.empty(len(keys))
    q[order] = np.minimum.accumulate((np.exp(log_p[order]) * tests / np.arange(1, len(keys) + 1))[::-1])[::-1]
    columns = {
        "beta": beta, "se": se, "t": t, "df": df, "neg_log10_p": -log_p / np.log(10), "p": np.exp(log_p),
        "r2": t**2 / (t**2 + df), "af": af, "n": n, "q": np.minimum(q, 1),
    }
    worst = 0
    for name, values in columns.items():
        ours = np.array([found[key][name] for key in keys])
        difference = np.max(abs(ours - values) / abs(values))
        worst = max(worst, difference)
        print(f"{name:12s} largest relative difference {difference:.2e}")
    return 1 if missing or extra or not worst <= TOLERANCE else 0


if __name__ == "__main__":
    sys.exit(main())
