"""Cis mapping."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pandas as pd

from ..._abi import library
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
) -> pd.DataFrame | None:
    """Every variant in each phenotype's window, to `<output_dir>/<prefix>.cis_qtl_pairs.<chr>.parquet` (needs pyarrow).

    Columns: phenotype_id, variant_id, start_distance, end_distance (where phenotypes are longer than a base), af, ma_samples, ma_count,
    pval_nominal, slope, slope_se; rows by phenotype, then variant.

    With `interaction_df`, samples × terms, the model is that of `swiftqtl.cis_interaction`, and pval, b and b_se of g, i and gi (of
    several terms: g, NAME and g-NAME) take the place of the last three. Each phenotype's variant with the most significant interaction
    goes to `<output_dir>/<prefix>.cis_qtl_top_assoc.txt.gz` or, with `write_top=False`, is returned; `run_eigenmt` adds tests_emt and, of
    one term, pval_emt and pval_adj_bh. `maf_threshold_interaction` is for one term; `write_stats=False` leaves out all pairs.
    """
    _refuse(paired_covariate_df)
    if group_s is not None:
        raise unsupported("group_s of map_nominal", "leave it out: pairs do not depend on groups")
    options: ScanOptions = {"maf": maf_threshold, "max_missing": MAX_MISSING}
    own = study(
        genotype_df, phenotype_df, covariates_df, variants=variant_df, phenotype_positions=phenotype_pos_df,
        interactions=interaction_df,
    )  # fmt: skip
    if interaction_df is None:
        result = own.cis_nominal(window=window, **options)
        report(logger, verbose, f"cis-QTL mapping: {result.counts.tests} pairs, {result.counts.samples} samples")
        if write_stats:
            table = _by_phenotype(result.table, phenotype_df)
            columns = {"pval_nominal": nominal_p(table, logp), "slope": table["beta"], "slope_se": table["se"]}
            _write_pairs(pd.DataFrame(_places(table, phenotype_pos_df) | columns), phenotype_pos_df, output_dir, prefix)
        return None

    terms = interaction_df.columns.astype(str)
    is_one = len(terms) == 1
    products = ["gi"] if is_one else [f"g-{term}" for term in terms]
    names = ["g", *(name for pair in zip(["i"] if is_one else terms, products) for name in pair)]
    given: dict[str, Any] = {"window": window, "maf_interaction": maf_threshold_interaction if is_one else 0, **options}
    if write_stats:
        table = _by_phenotype(own.cis_interaction(**given).table, phenotype_df)
        _write_pairs(_interactions(table, names, phenotype_pos_df, logp), phenotype_pos_df, output_dir, prefix)
    result = own.cis_interaction(best=True, **given)
    report(
        logger, verbose, f"cis-QTL mapping: {result.counts.tests} pairs, {result.counts.samples} samples, "
        f"interaction with {', '.join(terms)}",
    )  # fmt: skip
    # A lead for each term: the most significant of them.
    leads = result.table
    t = leads[[f"t_{name}" for name in products]].abs().to_numpy()
    strength = pd.Series(t[np.arange(len(t)), terms.get_indexer(pd.Index(leads["term"]))])
    leads = _by_phenotype(leads.loc[strength.groupby(leads["phenotype_id"]).idxmax()], phenotype_df)
    top = _interactions(leads, names, phenotype_pos_df, logp)
    if run_eigenmt:
        corrected = ["tests_emt", "pval_emt", "pval_adj_bh"] if is_one else ["tests_emt"]
        top[corrected] = leads[corrected]
    top = top.set_index("phenotype_id")
    if not write_top:
        return top
    top.to_csv(os.path.join(output_dir, f"{prefix}.cis_qtl_top_assoc.txt.gz"), sep="\t", float_format="%.6g")
    return None


def _interactions(table: pd.DataFrame, names: list[str], phenotype_pos_df: pd.DataFrame, logp: bool) -> pd.DataFrame:
    columns = _places(table, phenotype_pos_df)
    for name in names:
        columns[f"pval_{name}"] = nominal_p(table, logp, f"_{name}")
        columns |= {f"b_{name}": table[f"beta_{name}"], f"b_{name}_se": table[f"se_{name}"]}
    return pd.DataFrame(columns)


def _by_phenotype(table: pd.DataFrame, phenotype_df: pd.DataFrame) -> pd.DataFrame:
    """Rows in the order of the phenotypes."""
    return table.iloc[np.argsort(phenotype_df.index.get_indexer(table["phenotype_id"]), kind="stable")]


def _places(table: pd.DataFrame, phenotype_pos_df: pd.DataFrame) -> dict[str, Any]:
    """The columns of pairs before their numbers."""
    columns = {
        "phenotype_id": table["phenotype_id"], "variant_id": table["variant_id"],
        "start_distance": table["start_distance"].astype(np.int32),
    }  # fmt: skip
    if "pos" not in phenotype_pos_df:
        columns["end_distance"] = _end_distances(table, phenotype_pos_df)
    return columns | {
        "af": table["af"], "ma_samples": table["ma_samples"].astype(np.int32), "ma_count": minor_allele_counts(table),
    }  # fmt: skip


def _end_distances(table: pd.DataFrame, phenotype_pos_df: pd.DataFrame) -> pd.Series:
    _, ends = place(phenotype_pos_df)
    return (table["position"] - ends.reindex(table["phenotype_id"]).to_numpy()).astype(np.int32)


def _write_pairs(pairs: pd.DataFrame, phenotype_pos_df: pd.DataFrame, output_dir: str, prefix: str) -> None:
    chromosomes = phenotype_pos_df["chr"].reindex(pairs["phenotype_id"]).to_numpy()
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
    table = _by_phenotype(result.table, phenotype_df)
    fitted = table if beta_approx else table.assign(
        beta_shape1=np.nan, beta_shape2=np.nan, true_df=np.nan, pval_true_df=np.nan, pval_beta=np.nan
    )  # fmt: skip
    columns = {
        "num_var": table["num_var"].astype(np.int32), "beta_shape1": fitted["beta_shape1"],
        "beta_shape2": fitted["beta_shape2"], "true_df": fitted["true_df"], "pval_true_df": fitted["pval_true_df"],
        "variant_id": table["variant_id"], "start_distance": table["start_distance"].astype(np.int32),
        "end_distance": _end_distances(table, phenotype_pos_df),
        "ma_samples": table["ma_samples"].astype(np.int32), "ma_count": minor_allele_counts(table),
        "af": table["af"], "pval_nominal": nominal_p(table, logp), "slope": table["beta"], "slope_se": table["se"],
        "pval_perm": table["pval_perm"], "pval_beta": fitted["pval_beta"],
    }  # fmt: skip
    if group_s is not None:
        columns |= {"group_id": table["group_id"], "group_size": table["group_size"]}
    return pd.DataFrame(columns).set_axis(pd.Index(table["phenotype_id"], name="phenotype_id"), axis=0)


def map_independent(
    genotype_df: pd.DataFrame,
    variant_df: pd.DataFrame,
    cis_df: pd.DataFrame,
    phenotype_df: pd.DataFrame,
    phenotype_pos_df: pd.DataFrame,
    covariates_df: pd.DataFrame | None = None,
    group_s: pd.Series | None = None,
    maf_threshold: float = 0,
    fdr: float = 0.05,
    fdr_col: str = "qval",
    nperm: int = 10000,
    window: int = 1000000,
    missing: int = -9,
    random_tiebreak: bool = False,
    logger: Any = None,
    seed: int | None = None,
    logp: bool = False,
    verbose: bool = True,
) -> pd.DataFrame:
    """Independent signals of the phenotypes (or groups) of `map_cis` with q ≤ `fdr`, by forward-backward regression.

    Columns: phenotype_id, those of `map_cis`, rank; rows by phenotype. A signal must reach the nominal p at which the beta distribution
    of its phenotype, in `cis_df`, has the largest pval_beta that is significant; nothing is permuted anew, so `nperm` and `seed` do
    nothing. pval_true_df and pval_beta are of that distribution too, and pval_perm is NaN of all but a phenotype's only signal.
    """
    if random_tiebreak:
        raise unsupported("random_tiebreak", "of equal variants the first is taken")
    if missing != -9:
        raise unsupported("missing", "negative numbers are missing")
    significant = cis_df[cis_df[fdr_col] <= fdr]
    if significant.empty:
        raise ValueError(f"none of the {len(cis_df)} phenotypes has {fdr_col} <= {fdr}")
    key = "phenotype_id" if group_s is None else "group_id"
    fits = significant.rename_axis("phenotype_id").reset_index().set_index(key)[
        ["variant_id", "beta_shape1", "beta_shape2", "true_df", "pval_perm", "pval_beta"]
    ]
    degrees = phenotype_df.shape[1] - 2 - (0 if covariates_df is None else covariates_df.shape[1])
    cut = fits["pval_beta"].max()
    genes = pd.DataFrame({
        key: fits.index, "qval": significant[fdr_col].to_numpy(),
        "pval_nominal_threshold": [
            _nominal_p(cut, *fit, degrees) for fit in zip(fits["beta_shape1"], fits["beta_shape2"], fits["true_df"])
        ],
    })  # fmt: skip
    result = study(
        genotype_df, phenotype_df, covariates_df, variants=variant_df, phenotype_positions=phenotype_pos_df,
        **({} if group_s is None else {"groups": group_s}),
    ).cis_independent(genes, fdr=fdr, window=window, maf=maf_threshold, max_missing=MAX_MISSING)  # fmt: skip
    table = result.table
    report(
        logger, verbose, f"cis-QTL mapping: {len(table)} independent signals of {table[key].nunique()} "
        f"of {len(fits)} significant {'phenotypes' if group_s is None else 'groups'}",
    )  # fmt: skip
    order = phenotype_df.index if group_s is None else pd.Index(pd.unique(group_s.reindex(phenotype_df.index)))
    table = table.iloc[np.argsort(order.get_indexer(table[key]), kind="stable")].reset_index(drop=True)
    fits = fits.loc[table[key]].reset_index()
    # 1 - r² to the distribution of the phenotype's permutations.
    unexplained = table["df"] / (table["df"] + table["t"] ** 2)
    p_true = [library.beta_cdf(x, df / 2, 0.5) for x, df in zip(unexplained, fits["true_df"])]
    p_beta = [library.beta_cdf(*fit) for fit in zip(p_true, fits["beta_shape1"], fits["beta_shape2"])]
    is_only = ~table[key].duplicated(keep=False) & (table["variant_id"] == fits["variant_id"])
    columns = {
        "phenotype_id": table["phenotype_id"], "num_var": table["num_var"].astype(np.int32),
        "beta_shape1": fits["beta_shape1"], "beta_shape2": fits["beta_shape2"], "true_df": fits["true_df"],
        "pval_true_df": p_true, "variant_id": table["variant_id"],
        "start_distance": table["start_distance"].astype(np.int32),
        "end_distance": _end_distances(table, phenotype_pos_df), "ma_samples": table["ma_samples"].astype(np.int32),
        "ma_count": minor_allele_counts(table), "af": table["af"], "pval_nominal": nominal_p(table, logp),
        "slope": table["beta"], "slope_se": table["se"], "pval_perm": fits["pval_perm"].where(is_only), "pval_beta": p_beta,
    }  # fmt: skip
    if group_s is not None:
        sizes = significant.set_index("group_id")["group_size"]
        columns |= {"group_id": table["group_id"], "group_size": sizes.loc[table["group_id"]].to_numpy()}
    return pd.DataFrame(columns | {"rank": table["rank"]})


def _nominal_p(p_beta: float, shape1: float, shape2: float, true_df: float, df: float) -> float:
    """The p with `df` degrees of freedom of what has `p_beta` in a fit to permutations."""
    p_true = library.beta_quantile(p_beta, shape1, shape2)
    # P(|t| ≥ t₀) of ν degrees of freedom is that of a beta(ν/2, 1/2) up to 1 − r².
    p = library.beta_cdf(library.beta_quantile(p_true, true_df / 2, 0.5), df / 2, 0.5)
    # The phenotype that is at `p_beta` itself must pass, also where a table has it in fp32.
    return min(1.001 * p, 1)


def _refuse(paired_covariate_df: pd.DataFrame | None) -> None:
    if paired_covariate_df is not None:
        raise unsupported("paired_covariate_df", "all phenotypes have the same covariates")
