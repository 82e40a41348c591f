"""Trans mapping."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from .core import MAX_MISSING, minor_allele_counts, nominal_p, report, study, unsupported


def map_trans(
    genotype_df: pd.DataFrame,
    phenotype_df: pd.DataFrame,
    covariates_df: pd.DataFrame | None = None,
    interaction_s: pd.Series | None = None,
    return_sparse: bool = True,
    pval_threshold: float = 1e-5,
    maf_threshold: float = 0.05,
    alleles: int = 2,
    return_r2: bool = False,
    batch_size: int = 20000,
    logp: bool = False,
    logger: Any = None,
    verbose: bool = True,
) -> Any:
    """All variants (rows of `genotype_df`) against all phenotypes, near ones too.

    Returns pairs with p ≤ `pval_threshold`: variant_id, phenotype_id, pval, b, b_se, r2 (with `return_r2`), af. With
    `return_sparse=False` all of them, as variants × phenotypes: pval, b, b_se, and af by variant.

    With `interaction_s`, a term by sample, the model is that of `swiftqtl.trans_interaction`, and `maf_threshold` is for either side of
    the term's median. Returns pairs in which gi has p ≤ `pval_threshold`: variant_id, phenotype_id, pval_g, pval_i, pval_gi, af; or,
    dense, pval_g, pval_i and pval_gi, and af, ma_samples and ma_counts by variant.
    """
    if alleles != 2:
        raise unsupported("alleles other than 2", "dosages must be of two alleles")
    described = {} if interaction_s is None else {"interactions": interaction_s}
    own = study(genotype_df, phenotype_df, covariates_df, shares_chromosomes=False, **described)
    threshold = pval_threshold if return_sparse else 1
    if interaction_s is None:
        result = own.trans(
            pval_threshold=threshold, exclude_cis=None, q=False, maf=maf_threshold, max_missing=MAX_MISSING
        )  # fmt: skip
    else:
        result = own.trans_interaction(
            pval_threshold=threshold, exclude_cis=None, q=False, maf=0, maf_interaction=maf_threshold,
            max_missing=MAX_MISSING,
        )  # fmt: skip
    report(
        logger, verbose, f"trans-QTL mapping: {result.counts.tests} tests, {result.counts.variants} variants x "
        f"{result.counts.phenotypes} phenotypes, {result.counts.samples} samples",
    )  # fmt: skip
    table = result.table
    if return_sparse:
        columns = {"variant_id": table["variant_id"], "phenotype_id": table["phenotype_id"]}
        if interaction_s is None:
            columns |= {"pval": nominal_p(table, logp), "b": table["beta"], "b_se": table["se"]}
            columns |= {"r2": table["r2"]} if return_r2 else {}
        else:
            columns |= {f"pval_{name}": nominal_p(table, logp, f"_{name}") for name in ("g", "i", "gi")}
        return pd.DataFrame(columns | {"af": table["af"]})

    kept = table.drop_duplicates("variant_id")
    rows = pd.Index(kept["variant_id"], name="variant_id")
    row = rows.get_indexer(table["variant_id"])
    column = phenotype_df.index.get_indexer(table["phenotype_id"])

    def dense(values: pd.Series) -> pd.DataFrame:
        out = np.full((len(rows), len(phenotype_df)), np.nan)
        out[row, column] = values
        return pd.DataFrame(out, index=rows, columns=phenotype_df.index)

    frequencies = pd.Series(kept["af"].to_numpy(), index=rows, name="af")
    if interaction_s is not None:
        carriers = pd.Series(kept["ma_samples"].to_numpy().astype(np.int32), index=rows, name="ma_samples")
        counts = pd.Series(minor_allele_counts(kept), index=rows, name="ma_counts")
        pvals = (dense(nominal_p(table, logp, f"_{name}")) for name in ("g", "i", "gi"))
        return *pvals, frequencies, carriers, counts
    return dense(nominal_p(table, logp)), dense(table["beta"]), dense(table["se"]), frequencies


def filter_cis(
    pairs_df: pd.DataFrame, phenotype_pos_df: Any, variant_df: pd.DataFrame, window: int = 5000000
) -> pd.DataFrame:
    """Pairs without those within `window` of the phenotype; positions as a frame or, as earlier, a dictionary by phenotype."""
    if isinstance(phenotype_pos_df, dict):
        phenotype_pos_df = pd.DataFrame.from_dict(phenotype_pos_df, orient="index")
    positions = phenotype_pos_df.loc[pairs_df["phenotype_id"]]
    variants = variant_df.loc[pairs_df["variant_id"]]
    start, end = (positions["pos" if "pos" in positions else name].to_numpy() for name in ("start", "end"))
    position = variants["pos"].to_numpy()
    is_near = (
        (variants["chrom"].to_numpy() == positions["chr"].to_numpy())
        & (position >= start - window)
        & (position <= end + window)
    )
    return pairs_df[~is_near]


def map_permutations(*arguments: Any, **named: Any) -> None:
    raise unsupported("map_permutations", "use swiftqtl trans --permutations")
