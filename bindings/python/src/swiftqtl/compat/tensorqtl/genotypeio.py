"""Genotypes as frames. Scans of files that need not be in memory are faster by path: `swiftqtl.trans(prefix, …)`."""

from __future__ import annotations

import os
from typing import Any, Sequence

import numpy as np
import pandas as pd

from .core import read_phenotype_bed, unsupported

#: Copies of A1, the counted allele, by PLINK's two bits.
_CODES = np.array([2, -9, 1, 0], np.int8)


class PlinkReader:
    """A PLINK 1 file set in memory: `bim`, `fam`, `sample_ids`, and dosages of A1 (ALT), −9 where missing."""

    def __init__(
        self,
        plink_prefix_path: str,
        select_samples: Sequence[str] | None = None,
        include_variants: Sequence[str] | None = None,
        exclude_variants: Sequence[str] | None = None,
        exclude_chrs: Sequence[str] | None = None,
        verbose: bool = True,
        dtype: Any = np.int8,
    ):
        self.bim = pd.read_csv(
            plink_prefix_path + ".bim", sep=r"\s+", header=None, dtype={0: str, 1: str},
            names=["chrom", "snp", "cm", "pos", "a0", "a1"],
        )  # fmt: skip
        self.fam = pd.read_csv(
            plink_prefix_path + ".fam", sep=r"\s+", header=None, dtype=str,
            names=["fid", "iid", "father", "mother", "gender", "trait"],
        )  # fmt: skip
        keep = np.ones(len(self.bim), bool)
        if include_variants is not None:
            keep &= self.bim["snp"].isin(include_variants).to_numpy()
        if exclude_variants is not None:
            keep &= ~self.bim["snp"].isin(exclude_variants).to_numpy()
        if exclude_chrs is not None:
            keep &= ~self.bim["chrom"].isin(exclude_chrs).to_numpy()
        self.bed = _dosages(plink_prefix_path + ".bed", len(self.fam), keep)
        self.bim = self.bim[keep].reset_index(drop=True)
        self.bim["i"] = self.bim.index
        if select_samples is not None:
            places = pd.Index(self.fam["iid"]).get_indexer(select_samples)
            if (places < 0).any():
                raise ValueError(f"sample {select_samples[int(np.argmin(places))]} is not in {plink_prefix_path}.fam")
            self.fam = self.fam.iloc[places]
            self.bed = self.bed[:, places]
        if np.dtype(dtype) != np.int8:
            self.bed = np.where(self.bed < 0, np.nan, self.bed).astype(dtype)
        self.sample_ids = self.fam["iid"].tolist()
        self.n_samples = len(self.sample_ids)
        self.chrs = self.bim["chrom"].unique().tolist()

    def load_genotypes(self) -> pd.DataFrame:
        """Variants × samples."""
        return pd.DataFrame(self.bed, index=pd.Index(self.bim["snp"]), columns=pd.Index(self.fam["iid"]), copy=False)

    def get_region(self, region_str: str) -> tuple[np.ndarray, pd.Series]:
        """Dosages and positions of `chr` or `chr:start-end`."""
        chromosome, _, interval = region_str.partition(":")
        rows = self.bim["chrom"] == chromosome
        if interval:
            start, end = map(int, interval.split("-"))
            rows &= self.bim["pos"].between(start, end)
        return self.bed[rows.to_numpy()], self.bim[rows].set_index("snp")["pos"]


def _dosages(path: str, samples: int, keep: np.ndarray) -> np.ndarray:
    stride = (samples + 3) // 4
    packed: np.ndarray = np.memmap(path, np.uint8, "r")
    if packed[:3].tolist() != [0x6C, 0x1B, 1] or packed.size != 3 + stride * keep.size:
        raise ValueError(f"{path} is not a variant-major bed file of {samples} samples and {keep.size} variants")
    packed = packed[3:].reshape(keep.size, stride)
    rows = np.flatnonzero(keep)
    out = np.empty((rows.size, samples), np.int8)
    # Four dosages a byte.
    table = _CODES[(np.arange(256)[:, None] >> (0, 2, 4, 6)) & 3]
    for first in range(0, rows.size, 4096):
        block = rows[first : first + 4096]
        out[first : first + block.size] = table[packed[block]].reshape(block.size, -1)[:, :samples]
    return out


def load_genotypes(
    genotype_path: str, select_samples: Sequence[str] | None = None, dosages: bool = False
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Genotypes, variants × samples, and their chrom and pos, of a PLINK 1 prefix, a BED of dosages, parquet or a table."""
    if os.path.exists(genotype_path + ".bed"):
        reader = PlinkReader(genotype_path, select_samples=select_samples)
        return reader.load_genotypes(), reader.bim.set_index("snp")[["chrom", "pos"]]
    if os.path.exists(genotype_path + ".pgen"):
        raise unsupported("loading a pgen file", "convert it with plink2 --make-bed")
    if genotype_path.endswith((".bed.parquet", ".bed.gz", ".bed")):
        genotypes, variants = read_phenotype_bed(genotype_path)
        if "pos" not in variants:
            raise ValueError(f"{genotype_path}: variants must be one base long, with end = start + 1")
        return genotypes, variants.set_axis(["chrom", "pos"], axis=1)
    if genotype_path.endswith(".parquet"):
        return pd.read_parquet(genotype_path), None
    if genotype_path.endswith(".gz"):
        return pd.read_csv(genotype_path, sep="\t", index_col=0), None
    raise ValueError(f"{genotype_path}: no PLINK prefix, BED, parquet or gzipped table")
