"""A simulated study, as files and as arrays. SWIFTQTL names the program whose tables must be reproduced to the byte."""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from swiftqtl.compat.tensorqtl import genotypeio, read_phenotype_bed


@dataclass
class Files:
    program: str
    folder: Path

    @property
    def prefix(self) -> str:
        return str(self.folder / "study")

    @property
    def phenotypes(self) -> str:
        return self.prefix + ".phenotypes.bed.gz"

    @property
    def covariates(self) -> str:
        return self.prefix + ".covariates.tsv"

    @property
    def terms(self) -> str:
        return self.prefix + ".terms.tsv"

    def run(self, *arguments: str) -> None:
        subprocess.run([self.program, *arguments, "--quiet"], check=True)

    def scan(self, *arguments: str) -> str:
        """Runs a scan of the program; the prefix of its tables."""
        out = str(self.folder / "-".join(arguments).replace(f"{self.folder}/", "").replace("/", "_"))
        self.run(
            *arguments, "--genotypes", self.prefix, "--phenotypes", self.phenotypes, "--covariates", self.covariates,
            "--out", out,
        )  # fmt: skip
        return out


@dataclass
class Arrays:
    """As frames; samples of the genotypes in the order of their file."""

    genotypes: pd.DataFrame
    variants: pd.DataFrame
    phenotypes: pd.DataFrame
    positions: pd.DataFrame
    covariates: pd.DataFrame
    #: Two terms.
    terms: pd.DataFrame


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    program = os.environ.get("SWIFTQTL") or shutil.which("swiftqtl")
    if not program:
        pytest.skip("SWIFTQTL does not name the program")
    files = Files(program, tmp_path_factory.mktemp("study"))
    files.run(
        "simulate", "--samples", "150", "--families", "30", "--variants", "3000", "--genes", "60", "--covariates", "3",
        "--missing-phenotypes", "0", "--seed", "3", "--out", files.prefix,
    )  # fmt: skip
    files.run("grm", "--genotypes", files.prefix, "--out", files.prefix)
    return files


@pytest.fixture(scope="session")
def arrays(files: Files) -> Arrays:
    reader = genotypeio.PlinkReader(files.prefix)
    variants = reader.bim.set_index("snp").rename(columns={"a0": "alt", "a1": "ref"})
    phenotypes, positions = read_phenotype_bed(files.phenotypes)
    covariates = pd.read_csv(files.covariates, sep="\t", index_col=0)
    if phenotypes.columns[0] in covariates.columns:
        covariates = covariates.T
    random = np.random.default_rng(5)
    samples = phenotypes.columns
    terms = pd.DataFrame({"age": random.standard_normal(len(samples)), "sex": random.permutation(len(samples)) % 2}, samples)
    terms.to_csv(files.terms, sep="\t")
    return Arrays(reader.load_genotypes(), variants, phenotypes, positions, covariates, terms)


def text(path: str | Path) -> bytes:
    raw = Path(path).read_bytes()
    return gzip.decompress(raw) if raw[:2] == b"\x1f\x8b" else raw
