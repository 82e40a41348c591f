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
    pairs = [pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]
    pairs += [texts[name] for name in texts if name.endswith(".parquet")]
    return texts | {"nominal": pd.concat(pairs)}


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


@pytest.mark.parametrize("table", ["nominal", "trans_all", "trans", "cis"])
def test_numbers(ours: dict[str, pd.DataFrame], theirs: dict[str, pd.DataFrame], table: str) -> None:
    keys = ["phenotype_id"] if table == "cis" else ["phenotype_id", "variant_id"]
    mine, other = ours[table], theirs[table]
    assert set(other.columns) <= set(mine.columns)
    both = mine.merge(other, on=keys, suffixes=("", "_t"), how="outer", indicator=True)
    if table.startswith("trans"):
        # Pairs at the threshold may fall on either side in fp32.
        alone = both[both["_merge"] != "both"]
        assert (alone["pval"].fillna(alone["pval_t"]) > 0.999e-3).all()
        both = both[both["_merge"] == "both"]
    assert (both["_merge"] == "both").all() and len(both) >= 50
    if table == "cis":
        # Another variant only where it is as good, to their precision.
        tied = both["variant_id"] != both["variant_id_t"]
        np.testing.assert_allclose(np.log(both["pval_nominal"][tied]), np.log(both["pval_nominal_t"][tied]), rtol=1e-4)
        both = both[~tied]
    for name in [name[:-2] for name in both if name.endswith("_t") and both[name].dtype.kind in "if"]:
        a, b = both[name].to_numpy(float), both[name + "_t"].to_numpy(float)
        if name in ("pval_perm", "pval_beta", "pval_true_df"):
            # Of 1,000 other permutations.
            assert np.corrcoef(a, b)[0, 1] > 0.9, name
        elif name in ("beta_shape1", "beta_shape2", "true_df"):
            # They hardly differ between genes; each has a standard error of some per cent.
            assert np.median(a / b) == pytest.approx(1, abs=0.05), name
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


def test_what_is_not_there_says_what_does_it(arrays: Arrays) -> None:
    with pytest.raises(NotImplementedError, match="swiftqtl trans --interaction"):
        trans.map_trans(arrays.genotypes, arrays.phenotypes, interaction_s=arrays.phenotypes.iloc[0])
    with pytest.raises(NotImplementedError, match="swiftqtl cis independent"):
        cis.map_independent()
