"""From permutations to significant pairs."""

from __future__ import annotations

import glob
import os
from typing import Any

import pandas as pd

from ..._abi import library
from ..._functions import qvalues
from .core import report


def calculate_qvalues(
    res_df: pd.DataFrame, fdr: float = 0.05, qvalue_lambda: float | None = None, logger: Any = None
) -> None:
    """Adds qval (Storey's, without R) and, where a phenotype is significant, pval_nominal_threshold to map_cis's frame, in place."""
    column = "pval_perm" if res_df["pval_beta"].isnull().all() else "pval_beta"
    res_df["qval"], pi0 = qvalues(res_df[column], qvalue_lambda=qvalue_lambda)
    is_significant = res_df["qval"] <= fdr
    report(
        logger, True, f"Computing q-values: {len(res_df)} phenotypes, pi1 {1 - pi0:.2f}, "
        f"{is_significant.sum()} significant at {fdr:.2f}",
    )  # fmt: skip
    if column == "pval_perm" or not is_significant.any():
        return
    cut = res_df.loc[is_significant, column].max()
    if not is_significant.all():
        cut = (cut + res_df.loc[~is_significant, column].min()) / 2
    res_df["pval_nominal_threshold"] = [
        library.beta_quantile(cut, shape1, shape2)
        for shape1, shape2 in zip(res_df["beta_shape1"], res_df["beta_shape2"])
    ]


def get_significant_pairs(
    res_df: pd.DataFrame, nominal_files: str | dict[str, str], group_s: pd.Series | None = None, fdr: float = 0.05
) -> pd.DataFrame:
    """Pairs of map_nominal's files below the thresholds of their phenotypes; files by chromosome, or their common prefix."""
    if isinstance(nominal_files, str):
        paths = sorted(glob.glob(nominal_files + "*.parquet"))
        nominal_files = {os.path.basename(path).split(".")[-2]: path for path in paths}
    genes = res_df[res_df["qval"] <= fdr]
    if group_s is not None:
        genes = genes.set_index("group_id")
    genes = genes[["pval_nominal_threshold", "pval_nominal", "pval_beta"]]
    genes = genes.rename(columns={"pval_nominal": "min_pval_nominal"})
    found = []
    for path in nominal_files.values():
        pairs = pd.read_parquet(path)
        key = "phenotype_id"
        if group_s is not None:
            pairs.insert(1, "group_id", pairs["phenotype_id"].map(group_s))
            key = "group_id"
        pairs = pairs.merge(genes, left_on=key, right_index=True)
        found.append(pairs[pairs["pval_nominal"] < pairs["pval_nominal_threshold"]])
    return pd.concat(found).reset_index(drop=True)
