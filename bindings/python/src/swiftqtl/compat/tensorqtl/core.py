"""Reading phenotypes, and what the scans share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..._scans import Study


def read_phenotype_bed(phenotype_bed: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Phenotypes × samples, and positions: chr and pos (1-based), or chr, start and end where intervals are longer than a base."""
    if phenotype_bed.lower().endswith(".parquet"):
        table = pd.read_parquet(phenotype_bed)
    else:
        first = pd.read_csv(phenotype_bed, sep="\t", nrows=0).columns[0]
        table = pd.read_csv(phenotype_bed, sep="\t", dtype={first: str})
    positions = table.iloc[:, :3].set_axis(["chr", "start", "end"], axis=1)
    ids = pd.Index(table.iloc[:, 3], name=table.columns[3])
    positions = positions.set_axis(ids, axis=0).assign(start=lambda frame: frame["start"] + 1)
    if (positions["start"] == positions["end"]).all():
        positions = positions[["chr", "end"]].rename(columns={"end": "pos"})
    return table.iloc[:, 4:].set_axis(ids, axis=0), positions


def unsupported(what: str, instead: str) -> NotImplementedError:
    return NotImplementedError(f"{what} is not in swiftqtl.compat.tensorqtl: {instead}")


def study(
    genotype_df: pd.DataFrame, phenotype_df: pd.DataFrame, covariates_df: pd.DataFrame | None, **described: Any
) -> Study:
    """The samples of the phenotypes, all of which must be in the other tables."""
    tables = {
        "genotypes": genotype_df.columns, "covariates": getattr(covariates_df, "index", None),
        "interaction terms": getattr(described.get("interactions"), "index", None),
    }  # fmt: skip
    for name, samples in tables.items():
        absent = [] if samples is None else phenotype_df.columns.difference(samples)
        if len(absent):
            raise ValueError(f"{len(absent)} samples of the phenotypes are not in the {name} ({absent[0]}, …)")
    if not described.get("shares_chromosomes", True):
        described.pop("phenotype_positions", None)
    return Study(genotype_df, phenotype_df, covariates_df, **described)


def report(logger: Any, verbose: bool, *lines: str) -> None:
    for line in lines:
        if logger is not None:
            logger.write(line)
        elif verbose:
            print(line, flush=True)


def nominal_p(table: pd.DataFrame, logp: bool, suffix: str = "") -> pd.Series:
    """p, or −log10 p. `suffix`: of a coefficient."""
    return table[("neg_log10_p" if logp else "p") + suffix]


def place(phenotype_pos_df: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    """Start and end."""
    if "pos" in phenotype_pos_df:
        return phenotype_pos_df["pos"], phenotype_pos_df["pos"]
    return phenotype_pos_df["start"], phenotype_pos_df["end"]


#: tensorQTL analyses every variant that varies, however many samples miss it.
MAX_MISSING = 1.0


def minor_allele_counts(table: pd.DataFrame) -> np.ndarray:
    """tensorQTL's are truncated."""
    return table["ma_count"].to_numpy().astype(np.int32)
