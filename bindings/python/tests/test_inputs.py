"""Arrays against least squares by NumPy, and what is refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import swiftqtl


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(7)


def make(random: np.random.Generator, samples: int = 60, variants: int = 30, phenotypes: int = 4):
    genotypes = random.binomial(2, 0.4, (variants, samples)).astype(np.int8)
    values = random.standard_normal((phenotypes, samples)) + genotypes[:phenotypes]
    return genotypes, values, random.standard_normal((samples, 2))


def test_bare_arrays_are_joined_by_place(random: np.random.Generator) -> None:
    genotypes, values, covariates = make(random)
    table = swiftqtl.trans(genotypes, values, covariates, pval_threshold=1)
    assert len(table) == genotypes.shape[0] * values.shape[0]
    assert table["variant_id"].unique().tolist() == [f"variant{v:02d}" for v in range(30)]
    for row in table.itertuples():
        v, p = int(row.variant_id[7:]), int(row.phenotype_id[9:])
        design = np.column_stack([np.ones(60), covariates, genotypes[v]])
        beta = np.linalg.lstsq(design, values[p], rcond=None)[0][-1]
        # Both solve a well-conditioned problem of 60 rows in fp64.
        assert row.beta == pytest.approx(beta, rel=1e-10)
        assert row.df == 60 - 4 and row.n == 60


def test_missing(random: np.random.Generator) -> None:
    genotypes, values, _ = make(random)
    genotypes[0, :2] = -9
    genotypes[1, :2] = 3
    values[0, 0] = np.nan
    table = swiftqtl.trans(genotypes, values, pval_threshold=1)
    assert (table["n"] == np.where(table["phenotype_id"] == "phenotype0", 59, 60)).all()
    # Imputed to the mean of those observed.
    mean = genotypes[0, 2:].mean()
    row = table[(table["variant_id"] == "variant00") & (table["phenotype_id"] == "phenotype1")].iloc[0]
    assert row["af"] == pytest.approx(mean / 2, rel=1e-15)
    imputed = np.where(genotypes[0] < 0, mean, genotypes[0])
    assert row["beta"] == pytest.approx(np.polyfit(imputed, values[1], 1)[0], rel=1e-10)


def test_samples_are_joined_by_id(random: np.random.Generator) -> None:
    genotypes, values, covariates = make(random)
    samples = [f"s{i:02d}" for i in range(60)]
    g, y = pd.DataFrame(genotypes, columns=samples), pd.DataFrame(values, columns=samples)
    w = pd.DataFrame(covariates, index=samples)
    expected = swiftqtl.trans(g, y, w, pval_threshold=1)
    order = random.permutation(60)
    shuffled = swiftqtl.trans(g[g.columns[order]], y[y.columns[::-1]], w, pval_threshold=1)
    pd.testing.assert_frame_equal(expected, shuffled, check_exact=True)
    assert (swiftqtl.trans(g, y.drop(columns="s05"), w, pval_threshold=1)["n"] == 59).all()
    assert (swiftqtl.trans(g, y, w, pval_threshold=1, samples=samples[:50])["n"] == 50).all()


def test_kinship_array(random: np.random.Generator) -> None:
    genotypes, values, _ = make(random)
    kinship = np.kron(np.eye(30), [[1, 0.5], [0.5, 1]])
    table = swiftqtl.lmm(genotypes, values, kinship=kinship, pval_threshold=1, exact=True)
    assert {"h2", "pval_lrt"} <= set(table.columns) and table["h2"].between(0, 1).all()
    # Unrelated samples: least squares.
    table = swiftqtl.lmm(genotypes, values, kinship=np.eye(60), pval_threshold=1)
    expected = swiftqtl.trans(genotypes, values, pval_threshold=1)
    np.testing.assert_allclose(table["beta"], expected["beta"], rtol=1e-9)


def test_empty_result(random: np.random.Generator) -> None:
    genotypes, values, _ = make(random)
    table = swiftqtl.trans(genotypes, random.standard_normal(values.shape), pval_threshold=1e-300)
    assert len(table) == 0 and table["p"].dtype == np.float64


def test_refusals(random: np.random.Generator) -> None:
    genotypes, values, covariates = make(random)
    with pytest.raises(ValueError, match="maf is 2"):
        swiftqtl.trans(genotypes, values, maf=2)
    with pytest.raises(TypeError, match="no option mafia"):
        swiftqtl.trans(genotypes, values, mafia=0.1)  # type: ignore[call-arg]
    with pytest.raises(ValueError, match="alternative"):
        swiftqtl.trans(genotypes, values, alternative="both")
    with pytest.raises(ValueError, match="2 dimensions|variants × samples"):
        swiftqtl.trans(genotypes[0], values)
    with pytest.raises(ValueError, match="symmetric"):
        swiftqtl.lmm(genotypes, values, kinship=random.standard_normal((60, 60)))
    genotypes[5, 6] = 4
    with pytest.raises(swiftqtl.SwiftQTLError, match="variant05 .* 4 .* sample06") as failure:
        swiftqtl.trans(genotypes, values)
    assert failure.value.kind == "malformed"
    with pytest.raises(swiftqtl.SwiftQTLError) as failure:
        swiftqtl.trans("/no/where", values)
    assert failure.value.kind == "environment"
    frame = pd.DataFrame(values, columns=[f"other{i}" for i in range(60)])
    with pytest.raises(swiftqtl.SwiftQTLError, match="no sample is shared") as failure:
        swiftqtl.trans(np.minimum(genotypes, 2), frame)
    assert failure.value.kind == "inconsistent"


def test_q_values(random: np.random.Generator) -> None:
    p = np.append(random.uniform(size=500), np.nan)
    p[:50] *= 1e-4
    q, pi0 = swiftqtl.qvalues(p, method="bh")
    order = np.sort(p[:500])
    expected = np.minimum.accumulate((order * 500 / np.arange(1, 501))[::-1])[::-1]
    np.testing.assert_allclose(np.sort(q[:500]), np.minimum(expected, 1), rtol=1e-12)
    assert np.isnan(q[500]) and pi0 == 1
    assert swiftqtl.qvalues(p, qvalue_lambda=0.5)[1] == pytest.approx((p[:500] >= 0.5).mean() / 0.5)
