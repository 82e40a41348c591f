"""Cis mapping."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from ..._scans import ScanOptions
from .core import MAX_MISSING, minor_allele_counts, nominal_p, place, report, study, unsupported


def map_nominal(
    genotype_df: pd.DataFrame,
    variant_df: pd.DataFrame,
    phenotype_df: pd.DataFrame,
    phenotype_pos_df: pd.DataFrame,
    prefix: str,
    covariates_df: pd.DataFrame | None = None,
    paired_covariate_df: pd.DataFrame | None = None,
    maf_threshold: float = 0,
    interaction_df: pd.DataFrame | None = None,
    maf_threshold_interaction: float = 0.05,
    group_s: pd.Series | None = None,
    window: int = 1000000,
    run_eigenmt: bool = False,
    logp: bool = False,
    output_dir: str = ".",
    write_top: bool = True,
    write_stats: bool = True,
    logger: Any = None,
    verbose: bool = True,
) -> None:
    """Every variant in each phenotype's window, to `<output_dir>/<prefix>.cis_qtl_pairs.<chr>.parquet` (needs pyarrow).

    Columns: phenotype_id, variant_id, start_distance, end_distance (where phenotypes are longer than a base), af, ma_samples, ma_count,
    pval_nominal, slope, slope_se; rows by phenotype, then variant.
    """
    _refuse(paired_covariate_df)
    if interaction_df is not None:
        raise unsupported("interaction_df", "use swiftqtl cis interaction")
    if group_s is not None:
        raise unsupported("group_s of map_nominal", "leave it out: pairs do not depend on groups")
    result = study(
        genotype_df, phenotype_df, covariates_df, variants=variant_df, phenotype_positions=phenotype_pos_df
    ).cis_nominal(window=window, maf=maf_threshold, max_missing=MAX_MISSING)
    report(logger, verbose, f"cis-QTL mapping: {result.counts.tests} pairs, {result.counts.samples} samples")
    if not write_stats:
        return
    table = result.table
    order = phenotype_df.index.get_indexer(table["phenotype_id"])
    table = table.iloc[np.argsort(order, kind="stable")]
    columns = {
        "phenotype_id": table["phenotype_id"], "variant_id": table["variant_id"],
        "start_distance": table["start_distance"].astype(np.int32),
    }  # fmt: skip
    if "pos" not in phenotype_pos_df:
        ends = phenotype_pos_df["end"].reindex(table["phenotype_id"]).to_numpy()
        columns["end_distance"] = (table["position"] - ends).astype(np.int32)
    columns |= {
        "af": table["af"], "ma_samples": table["ma_samples"].astype(np.int32), "ma_count": minor_allele_counts(table),
        "pval_nominal": nominal_p(table, logp), "slope": table["beta"], "slope_se": table["se"],
    }  # fmt: skip
    pairs = pd.DataFrame(columns)
    chromosomes = phenotype_pos_df["chr"].reindex(table["phenotype_id"]).to_numpy()
    for chromosome in pd.unique(chromosomes):
        path = os.path.join(output_dir, f"{prefix}.cis_qtl_pairs.{chromosome}.parquet")
        pairs[chromosomes == chromosome].reset_index(drop=True).to_parquet(path)


def map_cis(
    genotype_df: pd.DataFrame,
    variant_df: pd.DataFrame,
    phenotype_df: pd.DataFrame,
    phenotype_pos_df: pd.DataFrame,
    covariates_df: pd.DataFrame | None = None,
    group_s: pd.Series | None = None,
    paired_covariate_df: pd.DataFrame | None = None,
    maf_threshold: float = 0,
    beta_approx: bool = True,
    nperm: int = 10000,
    window: int = 1000000,
    random_tiebreak: bool = False,
    logger: Any = None,
    seed: int | None = None,
    logp: bool = False,
    verbose: bool = True,
    warn_monomorphic: bool = True,
) -> pd.DataFrame:
    """The best variant of each phenotype (or group) with permutations, in the order of the phenotypes, indexed by phenotype.

    Columns: num_var, beta_shape1, beta_shape2, true_df, pval_true_df, variant_id, start_distance, end_distance, ma_samples, ma_count, af,
    pval_nominal, slope, slope_se, pval_perm, pval_beta, and with groups group_id and group_size.
    """
    _refuse(paired_covariate_df)
    if random_tiebreak:
        raise unsupported("random_tiebreak", "of equal variants the first is taken")
    options: ScanOptions = {"maf": maf_threshold, "max_missing": MAX_MISSING}
    if seed is not None:
        options["seed"] = seed
    result = study(
        genotype_df, phenotype_df, covariates_df, variants=variant_df, phenotype_positions=phenotype_pos_df,
        **({} if group_s is None else {"groups": group_s}),
    ).cis(window=window, permutations=nperm, **options)  # fmt: skip
    report(
        logger, verbose, f"cis-QTL mapping: {result.counts.phenotypes} phenotypes, {result.counts.samples} samples, "
        f"{nperm} permutations",
    )  # fmt: skip
    table = result.table
    table = table.iloc[np.argsort(phenotype_df.index.get_indexer(table["phenotype_id"]), kind="stable")]
    _, ends = place(phenotype_pos_df)
    fitted = table if beta_approx else table.assign(
        beta_shape1=np.nan, beta_shape2=np.nan, true_df=np.nan, pval_true_df=np.nan, pval_beta=np.nan
    )  # fmt: skip
    columns = {
        "num_var": table["num_var"].astype(np.int32), "beta_shape1": fitted["beta_shape1"],
        "beta_shape2": fitted["beta_shape2"], "true_df": fitted["true_df"], "pval_true_df": fitted["pval_true_df"],
        "variant_id": table["variant_id"], "start_distance": table["start_distance"].astype(np.int32),
        "end_distance": (table["position"] - ends.reindex(table["phenotype_id"]).to_numpy()).astype(np.int32),
        "ma_samples": table["ma_samples"].astype(np.int32), "ma_count": minor_allele_counts(table),
        "af": table["af"], "pval_nominal": nominal_p(table, logp), "slope": table["beta"], "slope_se": table["se"],
        "pval_perm": table["pval_perm"], "pval_beta": fitted["pval_beta"],
    }  # fmt: skip
    if group_s is not None:
        columns |= {"group_id": table["group_id"], "group_size": table["group_size"]}
    return pd.DataFrame(columns).set_axis(pd.Index(table["phenotype_id"], name="phenotype_id"), axis=0)


def map_independent(*arguments: Any, **named: Any) -> None:
    raise unsupported("map_independent", "use swiftqtl cis independent")


def _refuse(paired_covariate_df: pd.DataFrame | None) -> None:
    if paired_covariate_df is not None:
        raise unsupported("paired_covariate_df", "all phenotypes have the same covariates")
