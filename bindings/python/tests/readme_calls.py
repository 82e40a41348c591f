"""What tensorQTL's README does, on PREFIX's files: readme_calls.py PACKAGE PREFIX FOLDER, where PACKAGE is tensorqtl or our drop-in."""

import importlib
import os
import sys

import numpy as np
import pandas as pd

try:
    import pyarrow  # noqa: F401
except ImportError:
    # Where tensorQTL is installed without it.
    pd.DataFrame.to_parquet = lambda frame, path: frame.to_csv(f"{path}.tsv", sep="\t", index=False)

package, prefix, folder = sys.argv[1:]
tensorqtl = importlib.import_module(package)
cis, genotypeio, post, trans = (importlib.import_module(f"{package}.{name}") for name in ("cis", "genotypeio", "post", "trans"))

phenotype_df, phenotype_pos_df = tensorqtl.read_phenotype_bed(f"{prefix}.phenotypes.bed.gz")
covariates_df = pd.read_csv(f"{prefix}.covariates.tsv", sep="\t", index_col=0)
if phenotype_df.columns[0] in covariates_df.columns:
    covariates_df = covariates_df.T
pr = genotypeio.PlinkReader(prefix)
genotype_df = pr.load_genotypes()
variant_df = pr.bim.set_index("snp")[["chrom", "pos"]]

cis.map_nominal(
    genotype_df, variant_df, phenotype_df, phenotype_pos_df, "study", covariates_df=covariates_df, output_dir=folder
)
cis_df = cis.map_cis(
    genotype_df, variant_df, phenotype_df, phenotype_pos_df, covariates_df=covariates_df, seed=123456, nperm=1000
)
try:
    post.calculate_qvalues(cis_df, qvalue_lambda=0.85)
except NameError:
    # tensorQTL without R.
    pass
cis_df.to_csv(os.path.join(folder, "cis.tsv"), sep="\t")
if "qval" in cis_df:
    indep_df = cis.map_independent(genotype_df, variant_df, cis_df, phenotype_df, phenotype_pos_df, covariates_df)
    indep_df.to_csv(os.path.join(folder, "independent_readme.tsv"), sep="\t", index=False)
# Significant by what needs no R.
indep_df = cis.map_independent(
    genotype_df, variant_df, cis_df, phenotype_df, phenotype_pos_df, covariates_df, fdr=0.1, fdr_col="pval_beta",
    nperm=1000, seed=123456,
)  # fmt: skip
indep_df.to_csv(os.path.join(folder, "independent.tsv"), sep="\t", index=False)

random = np.random.default_rng(1)
interaction_df = pd.DataFrame({"cells": random.standard_normal(phenotype_df.shape[1])}, index=phenotype_df.columns)
cis.map_nominal(
    genotype_df, variant_df, phenotype_df, phenotype_pos_df, "interaction",
    covariates_df=covariates_df,
    interaction_df=interaction_df, maf_threshold_interaction=0.05,
    run_eigenmt=True, output_dir=folder, write_top=True, write_stats=True,
)  # fmt: skip
interaction_df["age"] = random.standard_normal(phenotype_df.shape[1])
try:
    cis.map_nominal(
        genotype_df, variant_df, phenotype_df, phenotype_pos_df, "interactions", covariates_df=covariates_df,
        interaction_df=interaction_df, output_dir=folder,
    )  # fmt: skip
except KeyError:
    # tensorQTL 1.0.10 has written all pairs, and fails at the best ones of several terms.
    pass
complete = genotype_df[(genotype_df >= 0).all(axis=1)]
interaction_s = interaction_df["cells"]
interaction_trans_df = trans.map_trans(complete, phenotype_df, covariates_df, interaction_s=interaction_s, pval_threshold=1e-3)
interaction_trans_df.to_csv(os.path.join(folder, "trans_interaction.tsv"), sep="\t", index=False)
trans_df = trans.map_trans(
    genotype_df, phenotype_df, covariates_df, batch_size=10000, return_sparse=True, pval_threshold=1e-3, maf_threshold=0.05
)
trans_df.to_csv(os.path.join(folder, "trans_all.tsv"), sep="\t", index=False)
trans_df = trans.filter_cis(trans_df, phenotype_pos_df, variant_df, window=5000000)
trans_df.to_csv(os.path.join(folder, "trans.tsv"), sep="\t", index=False)
dense = trans.map_trans(genotype_df.iloc[:50], phenotype_df, covariates_df, return_sparse=False, maf_threshold=0)
for name, frame in zip(("pval", "b", "b_se", "af"), dense):
    frame.to_csv(os.path.join(folder, f"dense_{name}.tsv"), sep="\t")
