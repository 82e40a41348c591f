"""Scans by one call, on files or arrays."""

from __future__ import annotations

import ctypes
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from . import _abi, _inputs
from ._abi import library
from ._scans import QVALUE_METHODS, ScanOptions, Study, StudyOptions, chosen

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._inputs import Covariates, Genotypes, Interactions, Kinship, Phenotypes


class _PlainOptions(ScanOptions, StudyOptions, total=False):
    """What goes to the study and what to the scan."""


def _study(
    genotypes: Genotypes, phenotypes: Phenotypes, covariates: Covariates | None, kinship: Kinship | None,
    options: dict[str, Any], shares_chromosomes: bool = True, interactions: Interactions | None = None,
) -> Study:  # fmt: skip
    own = {name: options.pop(name) for name in StudyOptions.__annotations__ if name in options}
    return Study(
        genotypes, phenotypes, covariates, kinship=kinship, interactions=interactions,
        threads=options.get("threads", 0), shares_chromosomes=shares_chromosomes, **own,
    )  # fmt: skip


def trans(
    genotypes: Genotypes,
    phenotypes: Phenotypes,
    covariates: Covariates | None = None,
    *,
    kinship: Kinship | None = None,
    pval_threshold: float = 1e-5,
    exclude_cis: int | None = 5_000_000,
    q: bool = True,
    **options: Unpack[_PlainOptions],
) -> pd.DataFrame:
    """All variants against all phenotypes by least squares; pairs with p ≤ `pval_threshold`, ordered by variant.

    Parameters
    ----------
    genotypes, phenotypes, covariates, kinship
        See `Study`; options of `StudyOptions` describe arrays.
    exclude_cis
        Pairs closer than so many bases on one chromosome are not tested; None tests all, as is done where a phenotype array comes
        without positions.
    q
        Whether there is a column of Benjamini-Hochberg's q over all tests.
    **options
        See `ScanOptions`.

    Returns
    -------
    DataFrame
        variant_id, chromosome, position, ref, alt, phenotype_id, beta (per copy of ALT), se, t, df, neg_log10_p, p, r2, af (of ALT),
        ma_samples, ma_count, n, q.
    """
    given: dict[str, Any] = dict(options)
    if not _inputs.is_path(phenotypes) and "phenotype_positions" not in given:
        exclude_cis = None
    study = _study(genotypes, phenotypes, covariates, kinship, given, exclude_cis is not None)
    return study.trans(pval_threshold=pval_threshold, exclude_cis=exclude_cis, q=q, **given).table


def cis_nominal(
    genotypes: Genotypes,
    phenotypes: Phenotypes,
    covariates: Covariates | None = None,
    *,
    kinship: Kinship | None = None,
    window: int = 1_000_000,
    **options: Unpack[_PlainOptions],
) -> pd.DataFrame:
    """Every variant within `window` bases of each phenotype, ordered by variant: as `trans`, with start_distance and without q."""
    given: dict[str, Any] = dict(options)
    return _study(genotypes, phenotypes, covariates, kinship, given).cis_nominal(window=window, **given).table


def cis(
    genotypes: Genotypes,
    phenotypes: Phenotypes,
    covariates: Covariates | None = None,
    *,
    kinship: Kinship | None = None,
    window: int = 1_000_000,
    permutations: int | tuple[int, int] = 10_000,
    fdr: float = 0.05,
    qvalue_method: str = "smoother",
    qvalue_lambda: float | None = None,
    **options: Unpack[_PlainOptions],
) -> pd.DataFrame:
    """The best variant of each phenotype in its window, its p by permutations, and q; a row for each phenotype along the genome.

    Variants must be sorted by position.

    Parameters
    ----------
    permutations
        Of each phenotype; (a, b): until a copies are as significant as the phenotype, at most b.
    fdr
        False discovery rate that pval_nominal_threshold is for.
    qvalue_method, qvalue_lambda
        Storey's π₀ by "smoother", "bootstrap" or at a λ; or "bh".
    """
    given: dict[str, Any] = dict(options)
    study = _study(genotypes, phenotypes, covariates, kinship, given)
    return study.cis(
        window=window, permutations=permutations, fdr=fdr, qvalue_method=qvalue_method, qvalue_lambda=qvalue_lambda,
        **given,
    ).table  # fmt: skip


def cis_independent(
    genotypes: Genotypes,
    phenotypes: Phenotypes,
    genes: pd.DataFrame,
    covariates: Covariates | None = None,
    *,
    kinship: Kinship | None = None,
    fdr: float = 0.05,
    window: int = 1_000_000,
    max_signals: int | None = None,
    **options: Unpack[_PlainOptions],
) -> pd.DataFrame:
    """Independent signals of each significant gene by forward-backward regression; a row for each, along the genome.

    Forward: the most significant variant joins the model as long as its p is at most the gene's threshold. Backward: the window is
    scanned again given all others; a signal whose best variant misses the threshold is dropped.

    Parameters
    ----------
    genes
        A table of `cis` on the same data: phenotype_id (or group_id, where there are groups), qval, pval_nominal_threshold.
    fdr
        Largest q of a gene that is analysed.
    max_signals
        At most so many of a gene.

    Returns
    -------
    DataFrame
        phenotype_id, group_id (where there are groups), rank, variant_id, chromosome, position, ref, alt, start_distance, and beta, se,
        t, df, neg_log10_p and p given the gene's other signals; p_forward when it was found, af, ma_samples, ma_count, n, num_var.
    """
    given: dict[str, Any] = dict(options)
    study = _study(genotypes, phenotypes, covariates, kinship, given)
    return study.cis_independent(genes, fdr=fdr, window=window, max_signals=max_signals, **given).table


def cis_interaction(
    genotypes: Genotypes,
    phenotypes: Phenotypes,
    interactions: Interactions,
    covariates: Covariates | None = None,
    *,
    window: int = 1_000_000,
    maf_interaction: float = 0.05,
    best: bool = False,
    **options: Unpack[_PlainOptions],
) -> pd.DataFrame:
    """y ~ covariates + i + g + g·i for every variant g within `window` bases of each phenotype y, with all terms i at once.

    Terms enter as they are given: the coefficient of g is its effect at i = 0. Centre a term to have it at the term's mean.

    Parameters
    ----------
    maf_interaction
        Minimum minor allele frequency on either side of each term's median.
    best
        Only the lead of each phenotype for each term, by p of g·i.

    Returns
    -------
    DataFrame
        As `cis_nominal`, ordered by variant, with beta, se, t, neg_log10_p and p of each coefficient: beta_g, beta_i, beta_gi or, of
        several terms, beta_g, beta_NAME, beta_g-NAME; and status. NaN where g·i cannot be told from other columns. With `best` term
        first, and num_var, tests_emt (effective number of tests), pval_emt and pval_adj_bh (over phenotypes) last.
    """
    given: dict[str, Any] = dict(options)
    study = _study(genotypes, phenotypes, covariates, None, given, interactions=interactions)
    return study.cis_interaction(window=window, maf_interaction=maf_interaction, best=best, **given).table


def trans_interaction(
    genotypes: Genotypes,
    phenotypes: Phenotypes,
    interactions: Interactions,
    covariates: Covariates | None = None,
    *,
    pval_threshold: float = 1e-5,
    exclude_cis: int | None = 5_000_000,
    q: bool = True,
    maf_interaction: float = 0.05,
    **options: Unpack[_PlainOptions],
) -> pd.DataFrame:
    """The model of `cis_interaction` for all variants and phenotypes; pairs in which g·i of some term has p ≤ `pval_threshold`.

    Columns as there, without start_distance, and q of each g·i: q_gi, or q_g-NAME of several terms. `exclude_cis` and `q` as of `trans`.
    """
    given: dict[str, Any] = dict(options)
    if not _inputs.is_path(phenotypes) and "phenotype_positions" not in given:
        exclude_cis = None
    study = _study(genotypes, phenotypes, covariates, None, given, exclude_cis is not None, interactions)
    return study.trans_interaction(
        pval_threshold=pval_threshold, exclude_cis=exclude_cis, q=q, maf_interaction=maf_interaction, **given
    ).table


def lmm(
    genotypes: Genotypes,
    phenotypes: Phenotypes,
    covariates: Covariates | None = None,
    *,
    kinship: Kinship,
    exact: bool = False,
    score: bool = False,
    pval_threshold: float = 1e-5,
    exclude_cis: int | None = 5_000_000,
    **options: Unpack[_PlainOptions],
) -> pd.DataFrame:
    """All variants against all phenotypes by mixed models: as `trans` with a kinship.

    Model: y = Wα + gβ + u + ε, Var u = h²·K, with h² of each phenotype by REML. `exact` estimates it anew for each pair that may be
    reported, with the variant in the model, and adds columns h2 and pval_lrt; `score` is GEMMA's score test. Variance components are
    in `Study(...).trans(...).heritability`.
    """
    given: dict[str, Any] = {**options, "exact": exact, "score": score}
    return trans(
        genotypes, phenotypes, covariates, kinship=kinship, pval_threshold=pval_threshold, exclude_cis=exclude_cis,
        **given,
    )  # fmt: skip


def qvalues(p: Any, *, method: str = "smoother", qvalue_lambda: float | None = None) -> tuple[np.ndarray, float]:
    """Storey's q of a whole list of p values (NaN of NaN), and π₀."""
    values = np.ascontiguousarray(p, np.float64)
    q = np.empty_like(values)
    pi0, error = ctypes.c_double(), ctypes.c_void_p()
    _abi.check(
        library.qvalues(
            values.ctypes.data, values.size, chosen(QVALUE_METHODS, "method", method),
            math.nan if qvalue_lambda is None else qvalue_lambda, q.ctypes.data, ctypes.byref(pi0), ctypes.byref(error),
        ),
        error,
    )  # fmt: skip
    return q, pi0.value
