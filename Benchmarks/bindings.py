"""Times for run-bindings: bindings.py PROGRAM STUDY OUT REPETITIONS THREADS."""

import gc
import os
import resource
import statistics
import subprocess
import sys
import time

import numpy as np
import pandas as pd

import swiftqtl
from swiftqtl.compat.tensorqtl import genotypeio, read_phenotype_bed

program, study, out = sys.argv[1:4]
repetitions, threads = map(int, sys.argv[4:])
files = study, f"{study}.phenotypes.bed.gz", f"{study}.covariates.tsv"

reader = genotypeio.PlinkReader(study)
variants = reader.bim.set_index("snp").rename(columns={"a0": "alt", "a1": "ref"})
phenotypes, positions = read_phenotype_bed(files[1])
genotypes = pd.DataFrame(reader.bed, index=variants.index, columns=reader.sample_ids, copy=False)
phenotypes = pd.DataFrame(np.ascontiguousarray(phenotypes.to_numpy()), index=phenotypes.index, columns=phenotypes.columns)
covariates = pd.read_csv(files[2], sep="\t", index_col=0)
if phenotypes.columns[0] in covariates.columns:
    covariates = covariates.T


def command() -> int:
    arguments = ["--genotypes", files[0], "--phenotypes", files[1], "--covariates", files[2], "--threads", str(threads)]
    subprocess.run([program, "trans", *arguments, "--out", out, "--quiet"], check=True)
    return 0


def paths() -> int:
    return len(swiftqtl.trans(*files, threads=threads, progress=False))


def arrays() -> int:
    return len(
        swiftqtl.trans(
            genotypes, phenotypes, covariates, variants=variants, phenotype_positions=positions, threads=threads, progress=False
        )
    )


def cpu() -> float:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


runs = {"command": command, "paths": paths, "arrays": arrays}
seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
rows = set()
for turn in range(repetitions + 1):
    for name in list(runs) if turn % 2 else reversed(runs):
        gc.collect()
        started, used = time.perf_counter(), cpu()
        count = runs[name]()
        # The first turn warms the page cache.
        if turn:
            seconds[name].append((time.perf_counter() - started, cpu() - used))
        if name != "command":
            rows.add(count)
assert len(rows) == 1

print(f"{genotypes.shape[1]} samples, {genotypes.shape[0]} variants, {len(phenotypes)} phenotypes, {threads} threads, {rows.pop()} pairs;")
print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}, pandas {pd.__version__}; {os.cpu_count()} CPUs\n")
print("| run | seconds | CPU seconds | over the command |\n|---|---|---|---|")
reference = [clock for clock, _ in seconds["command"]]
for name, times in seconds.items():
    clocks, cpus = zip(*times)
    differences = [clock - other for clock, other in zip(clocks, reference)]
    over = "" if name == "command" else (
        f"{1000 * statistics.median(differences):+.0f} ms ({100 * statistics.median(differences) / statistics.median(reference):+.1f} %)"
    )
    print(f"| {name} | {statistics.median(clocks):.2f} ({min(clocks):.2f}–{max(clocks):.2f}) | {statistics.median(cpus):.2f} | {over} |")
