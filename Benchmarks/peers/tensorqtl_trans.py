"""tensorQTL's scan of all pairs on the CPU, for Benchmarks/run-peers.

Reads STUDY.pgen/.pvar/.psam, STUDY.phenotypes.bed.gz and STUDY.covariates.tsv; writes the pairs with p <= THRESHOLD to OUT.
Prints `key=value`: version, load_seconds, compute_seconds (the call of map_trans alone).
"""

import argparse
import importlib.metadata
import time
import warnings

warnings.simplefilter("ignore")

import pandas as pd
import tensorqtl
import torch
from tensorqtl import pgen, trans

parser = argparse.ArgumentParser()
parser.add_argument("--study", required=True)
parser.add_argument("--out", required=True)
parser.add_argument("--threshold", type=float, required=True)
parser.add_argument("--batch-size", type=int, required=True)
parser.add_argument("--threads", type=int, required=True)
options = parser.parse_args()

torch.set_num_threads(options.threads)
print(f"version={importlib.metadata.version('tensorqtl')} (torch {torch.__version__})")


def scan(genotypes):
    return trans.map_trans(
        genotypes,
        phenotypes,
        covariates,
        pval_threshold=options.threshold,
        maf_threshold=0,
        batch_size=options.batch_size,
        verbose=False,
    )


started = time.perf_counter()
phenotypes, _ = tensorqtl.read_phenotype_bed(options.study + ".phenotypes.bed.gz")
covariates = pd.read_csv(options.study + ".covariates.tsv", sep="\t", index_col=0).T
covariates = covariates.loc[phenotypes.columns]
genotypes = pgen.PgenReader(options.study).load_genotypes()
print(f"load_seconds={time.perf_counter() - started:.3f}")

# What is done once in a process (threads, the BLAS kernels' choice) shall not count.
scan(genotypes.iloc[: options.batch_size])
started = time.perf_counter()
hits = scan(genotypes)
print(f"compute_seconds={time.perf_counter() - started:.3f}")
hits.to_csv(options.out, sep="\t", index=False, columns=["variant_id", "phenotype_id", "pval"])
