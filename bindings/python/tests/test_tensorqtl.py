"""A script of tensorQTL's calls with its import changed, against tensorQTL itself where it is installed.

TENSORQTL_PYTHON names an interpreter that has it; Scripts/peers installs one.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import Arrays, Files

from swiftqtl.compat import tensorqtl
from swiftqtl.compat.tensorqtl import cis, trans

SCRIPT = Path(__file__).with_name("readme_calls.py")
PEER = os.environ.get(
    "TENSORQTL_PYTHON", str(SCRIPT.parents[3] / "Benchmarks" / ".build" / "peers" / "tensorqtl" / "bin" / "python")
)


def run(python: str, package: str, files: Files, folder: Path) -> dict[str, pd.DataFrame]:
    pytest.importorskip("pyarrow")
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH" or python == sys.executable}
    subprocess.run([python, str(SCRIPT), package, files.prefix, str(folder)], check=True, env=environment)
    texts = {path.stem: pd.read_csv(path, sep="\t") for path in sorted(folder.glob("*.tsv"))}
    top = pd.read_csv(folder / "interaction.cis_qtl_top_assoc.txt.gz", sep="\t")
    return texts | {"interaction_top": top} | {
        table: pairs(texts, folder, prefix) for table, prefix in (
            ("nominal", "study"), ("interaction", "interaction"), ("interactions", "interactions")
        )
    }  # fmt: skip


def pairs(texts: dict[str, pd.DataFrame], folder: Path, prefix: str) -> pd.DataFrame:
    """Of all chromosomes."""
    name = f"{prefix}.cis_qtl_pairs."
    found = [pd.read_parquet(path) for path in sorted(folder.glob(name + "*.parquet"))]
    return pd.concat(found + [texts[other] for other in texts if other.startswith(name)], ignore_index=True)


@pytest.fixture(scope="module")
def ours(files: Files, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    return run(sys.executable, "swiftqtl.compat.tensorqtl", files, tmp_path_factory.mktemp("ours") / "out")


@pytest.fixture(scope="module")
def theirs(files: Files, tmp_path_factory: pytest.TempPathFactory) -> dict[str, pd.DataFrame]:
    if not Path(PEER).exists():
        pytest.skip(f"tensorQTL is not here ({PEER})")
    return run(PEER, "tensorqtl", files, tmp_path_factory.mktemp("theirs") / "out")


def test_columns(ours: dict[str, pd.DataFrame]) -> None:
    assert ours["trans"].columns.tolist() == ["variant_id", "phenotype_id", "pval", "b", "b_se", "af"]
    assert ours["cis"].columns.tolist() == [
        "phenotype_id", "num_var", "beta_shape1", "beta_shape2", "true_df", "pval_true_df", "variant_id", "start_distance",
        "end_distance", "ma_samples", "ma_count", "af", "pval_nominal", "slope", "slope_se", "pval_perm", "pval_beta", "qval",
        "pval_nominal_threshold",
    ]  # fmt: skip
    nominal = ["af", "ma_samples", "ma_count", "pval_nominal", "slope", "slope_se"]
    assert [name for name in ours["nominal"] if not name.endswith("_distance")] == ["phenotype_id", "variant_id", *nominal]
    assert len(ours["trans"]) < len(ours["trans_all"])
    signals = [name for name in ours["cis"] if name not in ("qval", "pval_nominal_threshold")]
    assert ours["independent_readme"].columns.tolist() == [*signals, "rank"]


#: Names that tensorQTL's documentation and files have.
INTERACTION = ["pval_g", "b_g", "b_g_se", "pval_i", "b_i", "b_i_se", "pval_gi", "b_gi", "b_gi_se"]


def test_interaction_columns(ours: dict[str, pd.DataFrame]) -> None:
    head = ["phenotype_id", "variant_id", "start_distance", "af", "ma_samples", "ma_count"]
    assert ours["interaction"].columns.tolist() == head + INTERACTION
    assert ours["interaction_top"].columns.tolist() == head + INTERACTION + ["tests_emt", "pval_emt", "pval_adj_bh"]
    names = ["g", "cells", "g-cells", "age", "g-age"]
    assert ours["interactions"].columns.tolist() == head + [x for n in names for x in (f"pval_{n}", f"b_{n}", f"b_{n}_se")]
    assert ours["trans_interaction"].columns.tolist() == ["variant_id", "phenotype_id", "pval_g", "pval_i", "pval_gi", "af"]


@pytest.mark.parametrize(
    "table", ["nominal", "trans_all", "trans", "cis", "interaction", "interactions", "interaction_top", "trans_interaction"]
)
def test_numbers(ours: dict[str, pd.DataFrame], theirs: dict[str, pd.DataFrame], table: str) -> None:
    keys = ["phenotype_id"] if table in ("cis", "interaction_top") else ["phenotype_id", "variant_id"]
    mine, other = ours[table], theirs[table]
    assert set(other.columns) <= set(mine.columns)
    both = mine.merge(other, on=keys, suffixes=("", "_t"), how="outer", indicator=True)
    if table.startswith("trans"):
        # Pairs at the threshold may fall on either side in fp32.
        alone = both[both["_merge"] != "both"]
        p = "pval_gi" if table == "trans_interaction" else "pval"
        # Theirs of interactions has a threshold for more degrees of freedom.
        assert alone[p].fillna(alone[p + "_t"]).between(0.999e-3, 1.01e-3).all()
        both = both[both["_merge"] == "both"]
    assert (both["_merge"] == "both").all() and len(both) >= 50
    if keys == ["phenotype_id"]:
        # Another variant only where it is as good, to their precision.
        tied = both["variant_id"] != both["variant_id_t"]
        p = "pval_nominal" if table == "cis" else "pval_gi"
        np.testing.assert_allclose(np.log(both[p][tied]), np.log(both[p + "_t"][tied]), rtol=1e-4)
        both = both[~tied]
    elif table.startswith("interaction"):
        assert mine[keys].equals(other[keys])
    for name in [name[:-2] for name in both if name.endswith("_t") and both[name].dtype.kind in "if"]:
        a, b = both[name].to_numpy(float), both[name + "_t"].to_numpy(float)
        if name in ("pval_perm", "pval_beta", "pval_true_df"):
            # Of 1,000 other permutations.
            assert np.corrcoef(a, b)[0, 1] > 0.9, name
        elif name in ("beta_shape1", "beta_shape2", "true_df"):
            # They hardly differ between genes; each has a standard error of some per cent.
            assert np.median(a / b) == pytest.approx(1, abs=0.05), name
        elif table == "interactions":
            # Of rare variants too, whose products with two terms hardly differ: theirs inverts these designs in fp32.
            np.testing.assert_allclose(a, b, rtol=0.05, atol=1e-3, err_msg=name)
        elif name.startswith("pval"):
            # Theirs is of an r in fp32: 1e-4 in ln p at p of 1e-30.
            np.testing.assert_allclose(np.log(a), np.log(b), rtol=1e-4, atol=1e-4, err_msg=name)
        else:
            # Theirs is rounded to fp32, of sums in fp32.
            np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5, err_msg=name)


@pytest.mark.parametrize("table", ["pval", "b", "b_se", "af"])
def test_dense(ours: dict[str, pd.DataFrame], theirs: dict[str, pd.DataFrame], table: str) -> None:
    a, b = (tables[f"dense_{table}"].set_index("variant_id") for tables in (ours, theirs))
    assert a.columns.tolist() == b.columns.tolist()
    b = b.loc[a.index]
    np.testing.assert_allclose(a.to_numpy(float), b.to_numpy(float), rtol=1e-3, atol=1e-5)


def test_independent_numbers(ours: dict[str, pd.DataFrame], theirs: dict[str, pd.DataFrame]) -> None:
    mine, other = ours["independent"], theirs["independent"]
    assert mine.columns.tolist() == other.columns.tolist()
    keys = ["phenotype_id", "variant_id", "rank"]
    same, genes = [], mine["phenotype_id"].unique()
    for gene in genes:
        a, b = (table[table["phenotype_id"] == gene].reset_index(drop=True) for table in (mine, other))
        if a[keys].equals(b[keys]):
            same.append(a.join(b.add_suffix("_t")))
    # Others: equal variants in another order, and signals at a threshold that theirs draws anew for each.
    assert len(same) >= 0.75 * max(len(genes), other["phenotype_id"].nunique())
    both = pd.concat(same)
    assert (both["rank"] > 1).sum() >= 2
    np.testing.assert_allclose(both["slope"], both["slope_t"], rtol=1e-3)
    np.testing.assert_allclose(both["slope_se"], both["slope_se_t"], rtol=1e-3)
    np.testing.assert_allclose(np.log(both["pval_nominal"]), np.log(both["pval_nominal_t"]), rtol=1e-3)
    # Of other permutations, theirs given the other signals.
    assert np.corrcoef(np.log(both["pval_beta"]), np.log(both["pval_beta_t"]))[0, 1] > 0.95


def test_groups(arrays: Arrays) -> None:
    ids = arrays.phenotypes.index
    groups = pd.Series([f"group{i // 3}" for i in range(len(ids))], index=ids)
    variants = arrays.variants[["chrom", "pos"]]
    table = cis.map_cis(
        arrays.genotypes, variants, arrays.phenotypes, arrays.positions, arrays.covariates, group_s=groups, nperm=100,
        window=20_000_000, verbose=False,
    )  # fmt: skip
    assert table["group_id"].is_unique and table["group_size"].max() == 3
    assert (groups[table.index].to_numpy() == table["group_id"].to_numpy()).all()


def test_significant_pairs(arrays: Arrays, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    variants = arrays.variants[["chrom", "pos"]]
    inputs = arrays.genotypes, variants, arrays.phenotypes, arrays.positions
    cis.map_nominal(*inputs, "x", covariates_df=arrays.covariates, output_dir=str(tmp_path), verbose=False)
    table = cis.map_cis(*inputs, covariates_df=arrays.covariates, nperm=200, verbose=False)
    tensorqtl.calculate_qvalues(table, fdr=0.2, qvalue_lambda=0)
    pairs = tensorqtl.get_significant_pairs(table, str(tmp_path / "x"), fdr=0.2)
    assert len(pairs) >= (table["qval"] <= 0.2).sum() > 0
    assert (pairs["pval_nominal"] < pairs["pval_nominal_threshold"]).all()


def design(arrays: Arrays, *variants: str) -> np.ndarray:
    """Intercept, covariates and variants, missing ones at their means."""
    genotypes = arrays.genotypes.loc[list(variants), arrays.phenotypes.columns]
    genotypes = genotypes.where(genotypes >= 0)
    genotypes = genotypes.T.fillna(genotypes.mean(axis=1))
    covariates = arrays.covariates.loc[arrays.phenotypes.columns]
    return np.column_stack([genotypes, covariates, np.ones(len(covariates))])


def test_independent_signals_are_of_one_regression(arrays: Arrays) -> None:
    inputs = arrays.phenotypes, arrays.positions, arrays.covariates
    variants = arrays.variants[["chrom", "pos"]]
    genes = cis.map_cis(arrays.genotypes, variants, *inputs, nperm=300, verbose=False)
    tensorqtl.calculate_qvalues(genes, fdr=0.2, qvalue_lambda=0)
    table = cis.map_independent(arrays.genotypes, variants, genes, *inputs, fdr=0.2, verbose=False)
    assert set(table["phenotype_id"]) == set(genes.index[genes["qval"] <= 0.2])
    assert table["rank"].max() > 1
    for gene, signals in table.groupby("phenotype_id"):
        x = design(arrays, *signals["variant_id"])
        beta, (rss,), *_ = np.linalg.lstsq(x, arrays.phenotypes.loc[gene].to_numpy(), rcond=None)
        se = np.sqrt(np.diag(np.linalg.inv(x.T @ x)) * rss / (len(x) - x.shape[1]))
        np.testing.assert_allclose(signals["slope"], beta[: len(signals)], rtol=1e-8)
        np.testing.assert_allclose(signals["slope_se"], se[: len(signals)], rtol=1e-8)
    # The row of a gene's only signal is that of map_cis.
    only = table[~table["phenotype_id"].duplicated(keep=False)].set_index("phenotype_id")
    columns = [name for name in only if name != "rank"]
    # p by two ways, each good to some 1e-11 of a beta distribution's argument.
    pd.testing.assert_frame_equal(only[columns], genes.loc[only.index, columns], rtol=1e-8)
    assert table["pval_perm"].notna().sum() == len(only)
    with pytest.raises(ValueError, match="none of the 60 phenotypes has qval <= 0"):
        cis.map_independent(arrays.genotypes, variants, genes, *inputs, fdr=0)


def test_independent_signals_of_groups(arrays: Arrays) -> None:
    groups = arrays.positions["chr"].radd("group")
    variants = arrays.variants[["chrom", "pos"]]
    inputs = arrays.phenotypes, arrays.positions, arrays.covariates, groups
    genes = cis.map_cis(arrays.genotypes, variants, *inputs, nperm=200, window=20_000_000, verbose=False)
    table = cis.map_independent(
        arrays.genotypes, variants, genes, *inputs, fdr=0.1, fdr_col="pval_beta", window=20_000_000, verbose=False
    )  # fmt: skip
    assert (groups[table["phenotype_id"]].to_numpy() == table["group_id"].to_numpy()).all()
    assert set(table["group_id"]) == set(genes.loc[genes["pval_beta"] <= 0.1, "group_id"])
    assert table["group_size"].tolist() == genes.set_index("group_id").loc[table["group_id"], "group_size"].tolist()


def test_interactions(arrays: Arrays, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    variants = arrays.variants[["chrom", "pos"]]
    inputs = arrays.genotypes, variants, arrays.phenotypes, arrays.positions
    top = cis.map_nominal(
        *inputs, "x", covariates_df=arrays.covariates, interaction_df=arrays.terms, run_eigenmt=True,
        output_dir=str(tmp_path), write_top=False, verbose=False,
    )  # fmt: skip
    assert top is not None and top.index.is_unique and not (tmp_path / "x.cis_qtl_top_assoc.txt.gz").exists()
    table = pairs({}, tmp_path, "x")
    for name in top.index[:10]:
        row = top.loc[name]
        x = design(arrays, row["variant_id"])
        terms = arrays.terms.loc[arrays.phenotypes.columns].to_numpy()
        x = np.column_stack([x[:, [0]], terms, x[:, [0]] * terms, x[:, 1:]])
        beta = np.linalg.lstsq(x, arrays.phenotypes.loc[name].to_numpy(), rcond=None)[0][:5]
        ours = [row[f"b_{name}"] for name in ("g", "age", "sex", "g-age", "g-sex")]
        np.testing.assert_allclose(ours, beta, rtol=1e-7)
        # No other variant's interaction with either term is stronger.
        of_gene = table[table["phenotype_id"] == name]
        p = of_gene[["pval_g-age", "pval_g-sex"]].min(axis=1)
        assert of_gene["variant_id"][p.idxmin()] == row["variant_id"]
    assert (top["tests_emt"] >= 1).all() and "pval_emt" not in top
    one = {"interaction_df": arrays.terms[["age"]], "write_stats": False, "output_dir": str(tmp_path), "verbose": False}
    assert cis.map_nominal(*inputs, "y", **one) is None
    assert [path.name for path in tmp_path.glob("y.*")] == ["y.cis_qtl_top_assoc.txt.gz"]
    assert pd.read_csv(tmp_path / "y.cis_qtl_top_assoc.txt.gz", sep="\t").columns.tolist()[-9:] == INTERACTION


def test_dense_interactions(arrays: Arrays) -> None:
    genotypes = arrays.genotypes.iloc[:20]
    term = arrays.terms["age"]
    *dense, af, carriers, counts = trans.map_trans(
        genotypes, arrays.phenotypes, arrays.covariates, interaction_s=term, return_sparse=False, maf_threshold=0, verbose=False
    )  # fmt: skip
    sparse = trans.map_trans(
        genotypes, arrays.phenotypes, arrays.covariates, interaction_s=term, pval_threshold=0.5, maf_threshold=0, verbose=False
    )  # fmt: skip
    assert len(sparse) > 100
    for name, frame in zip(("pval_g", "pval_i", "pval_gi"), dense):
        assert frame.shape == (len(af), len(arrays.phenotypes))
        expected = [frame.at[v, p] for v, p in zip(sparse["variant_id"], sparse["phenotype_id"])]
        assert sparse[name].tolist() == expected
    assert ((dense[2] <= 0.5).to_numpy().sum()) == len(sparse)
    assert carriers.index.equals(af.index) and (counts >= carriers).all()


def test_what_is_not_there_says_what_to_do(arrays: Arrays, tmp_path: Path) -> None:
    inputs = arrays.genotypes, arrays.variants[["chrom", "pos"]], arrays.phenotypes, arrays.positions
    with pytest.raises(NotImplementedError, match="all phenotypes have the same covariates"):
        cis.map_nominal(*inputs, "x", paired_covariate_df=arrays.phenotypes, output_dir=str(tmp_path))
    with pytest.raises(NotImplementedError, match="swiftqtl trans --permutations"):
        trans.map_permutations()
    with pytest.raises(ValueError, match="1 samples of the phenotypes are not in the interaction terms"):
        cis.map_nominal(*inputs, "x", interaction_df=arrays.terms.iloc[1:], output_dir=str(tmp_path))
