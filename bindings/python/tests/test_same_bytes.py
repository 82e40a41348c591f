"""Tables written from Python are the program's, to the byte: from paths and from arrays of every layout."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Arrays, Files, text

import swiftqtl


def check(result: swiftqtl.Result, expected: str, folder: Path) -> None:
    for name in ("table.tsv", "table.tsv.gz"):
        result.write(folder / name)
        assert text(folder / name) == text(expected)
    frame = result.table
    texts = {name: str for name in frame if not pd.api.types.is_numeric_dtype(frame[name])}
    printed = pd.read_csv(folder / "table.tsv", sep="\t", dtype=texts, keep_default_na=False, na_values=["nan", "NA"])
    assert frame.columns.tolist() == printed.columns.tolist() and len(frame) == len(printed)
    for name in frame:
        if name in texts:
            assert frame[name].fillna("NA").tolist() == printed[name].fillna("NA").tolist()
        else:
            # Nine digits are printed.
            np.testing.assert_allclose(frame[name].to_numpy(float), printed[name].to_numpy(float), rtol=1e-8, err_msg=name)


def of_arrays(arrays: Arrays, genotypes: Any, **options: Any) -> swiftqtl.Study:
    return swiftqtl.Study(
        genotypes, arrays.phenotypes, arrays.covariates, variants=arrays.variants,
        phenotype_positions=arrays.positions, **options,
    )  # fmt: skip


@pytest.fixture
def by_path(files: Files) -> swiftqtl.Study:
    return swiftqtl.Study(files.prefix, files.phenotypes, files.covariates)


def layouts(genotypes: Any) -> dict[str, Any]:
    values = genotypes.to_numpy()
    wide = np.zeros((values.shape[0], 2 * values.shape[1]), np.int8)
    wide[:, ::2] = values

    def frame(array: Any) -> Any:
        return type(genotypes)(array, index=genotypes.index, columns=genotypes.columns, copy=False)

    return {
        "int8, by variant": genotypes,
        "int8, by sample": frame(np.asfortranarray(values)),
        "int8, every other": frame(wide[:, ::2]),
        "int8, backwards": frame(np.ascontiguousarray(values[::-1])[::-1]),
        "int64": frame(values.astype(np.int64)),
        "float32": frame(values.astype(np.float32)),
        "float64, missing as NaN": frame(np.where(values < 0, np.nan, values)),
    }


def test_trans_from_paths(files: Files, by_path: swiftqtl.Study, tmp_path: Path) -> None:
    expected = files.scan("trans", "--pval-threshold", "1e-3") + ".trans.tsv.gz"
    assert text(expected).count(b"\n") > 100
    check(by_path.trans(pval_threshold=1e-3), expected, tmp_path)


@pytest.mark.parametrize("layout", ["int8, by variant", "int8, by sample", "int8, every other", "int8, backwards", "int64"])
def test_trans_from_integers(files: Files, arrays: Arrays, tmp_path: Path, layout: str) -> None:
    expected = files.scan("trans", "--pval-threshold", "1e-3") + ".trans.tsv.gz"
    study = of_arrays(arrays, layouts(arrays.genotypes)[layout])
    # What the study borrows must live as long as it does.
    gc.collect()
    check(study.trans(pval_threshold=1e-3), expected, tmp_path)


@pytest.mark.parametrize("layout", ["float32", "float64, missing as NaN"])
def test_trans_from_dosages(files: Files, arrays: Arrays, tmp_path: Path, layout: str) -> None:
    # Sums of whole numbers are exact, so dosages without missing values give the numbers of hard calls.
    genotypes = arrays.genotypes
    complete = (genotypes >= 0).all(axis=1).to_numpy()
    expected = of_arrays(arrays, genotypes).trans(pval_threshold=1e-3).table
    expected = expected[expected["variant_id"].isin(genotypes.index[complete])].drop(columns="q")
    table = of_arrays(arrays, layouts(genotypes)[layout]).trans(pval_threshold=1e-3).table
    table = table[table["variant_id"].isin(genotypes.index[complete])].drop(columns="q")
    assert len(expected) > 50
    for name in expected:
        if expected[name].dtype == np.float64:
            np.testing.assert_allclose(table[name].to_numpy(), expected[name].to_numpy(), rtol=1e-12)
        else:
            assert table[name].tolist() == expected[name].tolist()


def test_cis_nominal(files: Files, arrays: Arrays, by_path: swiftqtl.Study, tmp_path: Path) -> None:
    expected = files.scan("cis", "nominal", "--window", "500000") + ".cis_nominal.tsv.gz"
    check(by_path.cis_nominal(window=500_000), expected, tmp_path)
    check(of_arrays(arrays, arrays.genotypes).cis_nominal(window=500_000), expected, tmp_path)


def test_cis_permutations(files: Files, arrays: Arrays, by_path: swiftqtl.Study, tmp_path: Path) -> None:
    expected = files.scan("cis", "permute", "--permutations", "500") + ".cis_permute.tsv.gz"
    check(by_path.cis(permutations=500), expected, tmp_path)
    check(of_arrays(arrays, arrays.genotypes).cis(permutations=500), expected, tmp_path)
    adaptive = files.scan("cis", "permute", "--permutations", "10-500", "--seed", "5") + ".cis_permute.tsv.gz"
    check(by_path.cis(permutations=(10, 500), seed=5), adaptive, tmp_path)


def test_independent_signals(files: Files, arrays: Arrays, by_path: swiftqtl.Study, tmp_path: Path) -> None:
    genes = files.scan("cis", "permute", "--permutations", "500") + ".cis_permute.tsv.gz"
    independent = ("cis", "independent", "--significant-from", genes)
    expected = files.scan(*independent, "--fdr", "0.2") + ".cis_independent.tsv.gz"
    table = by_path.cis(permutations=500).table
    result = by_path.cis_independent(table, fdr=0.2)
    assert result.table["rank"].max() > 1
    check(result, expected, tmp_path)
    check(of_arrays(arrays, arrays.genotypes).cis_independent(table, fdr=0.2), expected, tmp_path)
    one = files.scan(*independent, "--max-signals", "1", "--window", "500000") + ".cis_independent.tsv.gz"
    check(by_path.cis_independent(table, max_signals=1, window=500_000), one, tmp_path)
    related = swiftqtl.Study(files.prefix, files.phenotypes, files.covariates, kinship=files.prefix)
    mixed = files.scan(*independent, "--grm", files.prefix) + ".cis_independent.tsv.gz"
    result = related.cis_independent(table)
    check(result, mixed, tmp_path)
    assert result.heritability is not None


def test_independent_signals_of_groups(files: Files, arrays: Arrays, tmp_path: Path) -> None:
    # Neighbours: a group has one chromosome.
    ids = arrays.positions.sort_values(["chr", "pos"]).groupby("chr").head(2).index
    groups = arrays.positions.loc[ids, "chr"].radd("group")
    path = files.folder / "groups.tsv"
    groups.to_csv(path, sep="\t", header=False)
    options = ("--phenotype-groups", str(path))
    genes = files.scan("cis", "permute", "--permutations", "500", *options) + ".cis_permute.tsv.gz"
    expected = files.scan("cis", "independent", "--significant-from", genes, *options) + ".cis_independent.tsv.gz"
    study = of_arrays(arrays, arrays.genotypes, groups=groups)
    result = study.cis_independent(study.cis(permutations=500).table)
    assert len(result.table) > len(set(groups)) / 2
    check(result, expected, tmp_path)


def test_interactions(files: Files, arrays: Arrays, tmp_path: Path) -> None:
    by_path = swiftqtl.Study(files.prefix, files.phenotypes, files.covariates, interactions=files.terms)
    of_frames = of_arrays(arrays, arrays.genotypes, interactions=arrays.terms.iloc[::-1])
    terms = ("--interaction", files.terms)
    pairs = files.scan("cis", "interaction", *terms) + ".cis_interaction.tsv.gz"
    leads = files.scan("cis", "interaction", *terms, "--best", "--maf-interaction", "0.1") + ".cis_interaction_best.tsv.gz"
    trans = files.scan("trans", *terms, "--pval-threshold", "1e-3") + ".trans_interaction.tsv.gz"
    for study in (by_path, of_frames):
        check(study.cis_interaction(), pairs, tmp_path)
        result = study.cis_interaction(best=True, maf_interaction=0.1)
        assert set(result.table["term"]) == {"age", "sex"} and len(result.drops) > 0
        check(result, leads, tmp_path)
        check(study.trans_interaction(pval_threshold=1e-3), trans, tmp_path)
    rare = files.scan("cis", "interaction", *terms, "--maf-interaction", "0", "--maf", "0") + ".cis_interaction.tsv.gz"
    result = by_path.cis_interaction(maf_interaction=0, maf=0)
    assert set(result.table["status"]) == {"ok", "singular"}
    check(result, rare, tmp_path)
    plain = files.scan("trans", *terms, "--pval-threshold", "1e-3", "--no-q") + ".trans_interaction.tsv.gz"
    check(by_path.trans_interaction(pval_threshold=1e-3, q=False), plain, tmp_path)


def test_mixed_models(files: Files, tmp_path: Path) -> None:
    study = swiftqtl.Study(files.prefix, files.phenotypes, files.covariates, kinship=files.prefix)
    grm = ("--grm", files.prefix)
    out = files.scan("trans", "--pval-threshold", "1e-3", *grm)
    result = study.trans(pval_threshold=1e-3)
    check(result, out + ".trans.tsv.gz", tmp_path)
    h2 = [line.split(b"\t")[2] for line in text(out + ".heritability.tsv.gz").splitlines()[1:]]
    assert result.heritability is not None
    assert [b"%.9g" % value for value in result.heritability["h2"]] == h2
    exact = files.scan("trans", "--pval-threshold", "1e-3", "--lmm-exact", *grm) + ".trans.tsv.gz"
    check(study.trans(pval_threshold=1e-3, exact=True), exact, tmp_path)
    free = files.scan("trans", "--pval-threshold", "1e-3", "--reml-no-constrain", *grm) + ".trans.tsv.gz"
    assert text(free) != text(out + ".trans.tsv.gz")
    check(study.trans(pval_threshold=1e-3, reml_no_constrain=True), free, tmp_path)
    cis = files.scan("cis", "nominal", *grm) + ".cis_nominal.tsv.gz"
    check(study.cis_nominal(), cis, tmp_path)


def test_other_options(files: Files, by_path: swiftqtl.Study, tmp_path: Path) -> None:
    expected = files.scan(
        "trans", "--pval-threshold", "1e-3", "--maf", "0.1", "--normal", "--alternative", "greater", "--no-exclude-cis", "--no-q"
    )  # fmt: skip
    result = by_path.trans(pval_threshold=1e-3, maf=0.1, normal=True, alternative="greater", exclude_cis=None, q=False)
    check(result, expected + ".trans.tsv.gz", tmp_path)
    # Drops in the same order too.
    assert text(expected + ".drops.tsv.gz").count(b"\n") == len(result.drops) + 1
    assert result.drops["reason"].value_counts().to_dict().get("minor allele frequency", 0) > 0
