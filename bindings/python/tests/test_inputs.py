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


def test_interaction_arrays(random: np.random.Generator) -> None:
    genotypes, values, covariates = make(random)
    terms = random.standard_normal((60, 2))
    table = swiftqtl.trans_interaction(genotypes, values, terms, covariates, pval_threshold=1, maf_interaction=0, q=False)
    # A pair whose variant varies too little to be told from the terms would have no row.
    assert len(table) == genotypes.shape[0] * values.shape[0]
    for row in table.to_dict("records"):
        g, y = genotypes[int(row["variant_id"][7:])], values[int(row["phenotype_id"][9:])]
        # In the order of the columns: g, then each term and its product.
        effects = np.column_stack([g, terms[:, 0], g * terms[:, 0], terms[:, 1], g * terms[:, 1]])
        design = np.column_stack([effects, covariates, np.ones(60)])
        beta, (rss,), *_ = np.linalg.lstsq(design, y, rcond=None)
        se = np.sqrt(np.diag(np.linalg.inv(design.T @ design)) * rss / (60 - 8))
        names = ["g", "covariate0", "g-covariate0", "covariate1", "g-covariate1"]
        # Condition numbers of some tens, squared in the inverse.
        np.testing.assert_allclose([row[f"beta_{name}"] for name in names], beta[:5], rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose([row[f"se_{name}"] for name in names], se[:5], rtol=1e-8)
        assert row["df"] == 60 - 8
    # A series is one term, joined by sample.
    samples = [f"s{i:02d}" for i in range(60)]
    frames = pd.DataFrame(genotypes, columns=samples), pd.DataFrame(values, columns=samples)
    term = pd.Series(terms[:, 0], samples, name="age")
    one = swiftqtl.trans_interaction(*frames, term.iloc[::-1], pval_threshold=1)
    expected = swiftqtl.trans_interaction(genotypes, values, terms[:, :1], pval_threshold=1)
    np.testing.assert_array_equal(one["beta_gi"], expected["beta_gi"])
    assert (swiftqtl.trans_interaction(*frames, term.drop("s07"), pval_threshold=1)["n"] == 59).all()


def test_refusals_of_interactions(random: np.random.Generator) -> None:
    genotypes, values, _ = make(random)
    terms = random.standard_normal((60, 1))
    with pytest.raises(ValueError, match="maf_interaction is 0.7"):
        swiftqtl.trans_interaction(genotypes, values, terms, maf_interaction=0.7)
    with pytest.raises(swiftqtl.SwiftQTLError, match="no interaction term") as failure:
        swiftqtl.Study(genotypes, values).trans_interaction(exclude_cis=None)
    assert failure.value.kind == "inconsistent"
    with pytest.raises(swiftqtl.SwiftQTLError, match="interactions"):
        swiftqtl.Study(genotypes, values, kinship=np.eye(60), interactions=terms).trans_interaction(exclude_cis=None)
    with pytest.raises(swiftqtl.SwiftQTLError, match="constant") as failure:
        swiftqtl.trans_interaction(genotypes, values, np.ones((60, 1)))
    assert failure.value.kind == "degenerate"
    terms[4, 0] = np.nan
    with pytest.raises(swiftqtl.SwiftQTLError, match="array of interaction terms.* covariate0 is missing for sample sample04"):
        swiftqtl.trans_interaction(genotypes, values, terms)


def test_refusals_of_independent_signals(random: np.random.Generator) -> None:
    genotypes, values, _ = make(random)
    variants = pd.DataFrame({"chrom": "1", "pos": np.arange(1, 31)}, index=[f"v{i}" for i in range(30)])
    positions = pd.DataFrame({"chr": "1", "pos": 10}, index=[f"p{i}" for i in range(4)])
    study = swiftqtl.Study(genotypes, values, variants=variants, phenotype_positions=positions)

    def genes(ids: list[str], threshold: float, q: float = 0.01) -> pd.DataFrame:
        return pd.DataFrame({"phenotype_id": ids, "qval": q, "pval_nominal_threshold": threshold})

    assert study.cis_independent(genes(["p0", "p1"], 0.001)).counts.phenotypes == 4
    with pytest.raises(swiftqtl.SwiftQTLError, match="none of the 1 genes has q <= 0.05") as failure:
        study.cis_independent(genes(["p0"], 0.001, q=0.2))
    assert failure.value.kind == "degenerate"
    with pytest.raises(swiftqtl.SwiftQTLError, match="among the 4 genes") as failure:
        study.cis_independent(genes(["other"], 0.001))
    assert failure.value.kind == "inconsistent"
    with pytest.raises(ValueError, match="p0 is 1.5"):
        study.cis_independent(genes(["p0"], 1.5))
    with pytest.raises(ValueError, match="p0 occurs twice"):
        study.cis_independent(genes(["p0", "p0"], 0.001))
    with pytest.raises(ValueError, match="column pval_nominal_threshold"):
        study.cis_independent(genes(["p0"], 0.001).drop(columns="pval_nominal_threshold"))
    with pytest.raises(ValueError, match="max_signals is 0"):
        study.cis_independent(genes(["p0"], 0.001), max_signals=0)


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
