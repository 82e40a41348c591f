"""tensorQTL's cis permutations on the CPU, for Benchmarks/run-permutations.

Reads a VCF whose samples have DS alone, phenotypes as BED and covariates in rows; writes the table of genes to OUT. The dosages are kept
as MATRIX.npy, and the variants as MATRIX.tsv, once they have been parsed.
Prints `key=value`: version, load_seconds, compute_seconds (the call of map_cis alone).
"""

import argparse
import gzip
import importlib.metadata
import os
import time
import warnings

warnings.simplefilter("ignore")

import numpy as np
import pandas as pd
import tensorqtl
import torch
from tensorqtl import cis

parser = argparse.ArgumentParser()
parser.add_argument("--genotypes", required=True)
parser.add_argument("--phenotypes", required=True)
parser.add_argument("--covariates", required=True)
parser.add_argument("--matrix", required=True)
parser.add_argument("--out", required=True)
parser.add_argument("--permutations", type=int, required=True)
parser.add_argument("--seed", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
options = parser.parse_args()

torch.set_num_threads(options.threads)
print(f"version={importlib.metadata.version('tensorqtl')} (torch {torch.__version__})")


def parse():
    variants, dosages = [], []
    with gzip.open(options.genotypes, "rt") as file:
        for line in file:
            if line.startswith("##"):
                continue
            cells = line.rstrip("\n").split("\t", 9)
            if line.startswith("#"):
                samples = cells[9].split("\t")
                continue
            assert cells[8] == "DS", cells[8]
            variants.append((cells[2], cells[0], int(cells[1])))
            dosages.append(np.array(cells[9].split("\t"), dtype=np.float32))
    variants = pd.DataFrame(variants, columns=["id", "chrom", "pos"])
    variants.to_csv(options.matrix + ".tsv", sep="\t", index=False)
    pd.Series(samples).to_csv(options.matrix + ".samples", index=False, header=False)
    # The last to be written says that all are.
    np.save(options.matrix + ".partial.npy", np.stack(dosages))
    os.replace(options.matrix + ".partial.npy", options.matrix + ".npy")


def read_genotypes():
    if not os.path.exists(options.matrix + ".npy"):
        parse()
    variants = pd.read_csv(options.matrix + ".tsv", sep="\t", index_col=0, dtype={"chrom": str})
    samples = pd.read_csv(options.matrix + ".samples", header=None)[0]
    return pd.DataFrame(np.load(options.matrix + ".npy"), index=variants.index, columns=samples), variants


def permute(phenotypes, positions, permutations):
    return cis.map_cis(
        genotypes,
        variants,
        phenotypes,
        positions,
        covariates_df=covariates,
        window=1_000_000,
        maf_threshold=0,
        nperm=permutations,
        seed=options.seed,
        verbose=False,
        warn_monomorphic=False,
    )


started = time.perf_counter()
phenotypes, positions = tensorqtl.read_phenotype_bed(options.phenotypes)
covariates = pd.read_csv(options.covariates, sep="\t", index_col=0).T.astype(float)
covariates = covariates.loc[phenotypes.columns]
genotypes, variants = read_genotypes()
print(f"load_seconds={time.perf_counter() - started:.3f}")

# What is done once in a process (threads, compilation, the BLAS kernels' choice) shall not count.
permute(phenotypes.iloc[:2], positions.iloc[:2], options.permutations)
started = time.perf_counter()
genes = permute(phenotypes, positions, options.permutations)
print(f"compute_seconds={time.perf_counter() - started:.3f}")
genes.to_csv(options.out, sep="\t", index_label="phenotype_id")
