"""Files, arrays and data frames as handles of the library."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, Any, Sequence, Union

import numpy as np
import pandas as pd

from . import _abi
from ._abi import Handle, StringList, make

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Path = Union[str, os.PathLike[str]]
    #: A path (a PLINK prefix, VCF, BCF, text dosages), several (one per chromosome), or dosages of ALT, variants × samples: negative
    #: numbers and NaN are missing. int8 and float32 arrays are used where they lie, whatever their strides.
    Genotypes = Union[Path, Sequence[Path], pd.DataFrame, NDArray[Any]]
    #: A path (BED or a matrix), or values, phenotypes × samples; NaN is missing.
    Phenotypes = Union[Path, pd.DataFrame, NDArray[Any]]
    #: A path, or values without the intercept, samples × covariates.
    Covariates = Union[Path, pd.DataFrame, NDArray[Any]]
    #: The same, or one term by sample.
    Interactions = Union[Covariates, pd.Series]
    #: A path (GCTA's prefix or text), or a relationship matrix, samples × samples.
    Kinship = Union[Path, pd.DataFrame, NDArray[Any]]

CHROMOSOME = ("chrom", "chr", "chromosome")
POSITION = ("pos", "position")


def is_path(value: object) -> bool:
    return isinstance(value, (str, os.PathLike))


def path_bytes(path: Any) -> bytes:
    return os.fsencode(os.path.expanduser(path))


def names(values: Any) -> list[str]:
    # Of a pandas column all at once: some iterate slowly.
    listed = np.asarray(values, dtype=object).tolist()
    try:
        "".join(listed)
    except TypeError:
        return [str(value) for value in listed]
    return listed


def default_names(prefix: str, count: int) -> list[str]:
    """Names that sort in their order: then no row is moved."""
    width = len(str(max(0, count - 1)))
    return [f"{prefix}{i:0{width}d}" for i in range(count)]


def column(frame: pd.DataFrame, candidates: Sequence[str], what: str) -> pd.Series:
    for name in candidates:
        if name in frame.columns:
            return frame[name]
    raise ValueError(f"{what} needs a column {' or '.join(candidates)}; it has {', '.join(map(str, frame.columns))}")


def strides(array: NDArray[Any]) -> tuple[int, int]:
    """In elements."""
    return array.strides[0] // array.itemsize, array.strides[1] // array.itemsize


def labelled(values: Any, rows: str, columns: str, row_prefix: str, column_prefix: str):
    """An array with the names of its rows and columns."""
    if isinstance(values, pd.DataFrame):
        return values.to_numpy(), names(values.index), names(values.columns)
    array = np.asarray(values)
    if array.ndim != 2:
        raise ValueError(f"an array of {rows} × {columns} is needed, not one of {array.ndim} dimensions")
    return array, default_names(row_prefix, array.shape[0]), default_names(column_prefix, array.shape[1])


def genotypes(values: Genotypes, variants: pd.DataFrame | None, dosage_field: str | None) -> Handle:
    """Variants × samples; `variants`: a row for each, with chromosome and position."""
    if is_path(values) or (isinstance(values, (list, tuple)) and values and is_path(values[0])):
        paths: list[Any] = [values] if is_path(values) else list(values)  # type: ignore[arg-type]
        if variants is not None:
            raise ValueError("variants are for arrays: genotype files name their own")
        try:
            field = {None: 0, "GT": 1, "DS": 2, "GP": 3}[dosage_field]
        except KeyError:
            raise ValueError(f"dosage_field is {dosage_field!r}, not GT, DS or GP") from None
        listed = StringList([os.fsdecode(path_bytes(path)) for path in paths])
        return make("genotypes", "genotypes_open", listed.pointer, field, None)

    array, ids, samples = labelled(values, "variants", "samples", "variant", "sample")
    if array.dtype == np.uint8:
        array = array.view(np.int8)
    elif array.dtype == np.float64:
        array = array.astype(np.float32)
    elif array.dtype.kind in "iub" and array.dtype != np.int8:
        if array.size and (array.min() < -128 or array.max() > 127):
            raise ValueError("genotypes must be dosages of ALT, 0 to 2")
        array = array.astype(np.int8)
    elif array.dtype not in (np.int8, np.float32):
        raise ValueError(f"genotypes of type {array.dtype} are not numbers")

    kept: list[Any] = [array]
    described = _abi.Variants(size=ctypes.sizeof(_abi.Variants))

    def strings(values: Any) -> StringList:
        listed = StringList(values)
        kept.append(listed)
        return listed

    if variants is not None:
        if len(variants) != len(ids):
            raise ValueError(f"{len(variants)} variants are described, the array has {len(ids)}")
        if isinstance(values, pd.DataFrame):
            if not variants.index.equals(values.index):
                raise ValueError("genotypes and variants have other or differently ordered ids")
        else:
            ids = names(variants.index)
        described.chromosomes = strings(names(column(variants, CHROMOSOME, "variants"))).pointer
        positions = np.ascontiguousarray(column(variants, POSITION, "variants"), np.int64)
        kept.append(positions)
        described.positions = positions.ctypes.data
        for allele in ("ref", "alt"):
            if allele in variants.columns:
                setattr(described, allele, strings(names(variants[allele])).pointer)
    described.ids = strings(ids).value
    function = "genotypes_from_int8" if array.dtype == np.int8 else "genotypes_from_float32"
    return make(
        "genotypes", function, array.ctypes.data, *strides(array), strings(samples).pointer,
        ctypes.byref(described), keeps=(kept, described),
    )  # fmt: skip


def phenotypes(
    values: Phenotypes, positions: pd.DataFrame | None, groups: pd.Series | None, threads: int
) -> tuple[Handle, bool]:
    """Phenotypes × samples, and whether they have positions."""
    if is_path(values):
        if positions is not None or groups is not None:
            raise ValueError("phenotype_positions and groups are for arrays")
        return make("phenotypes", "phenotypes_open", path_bytes(values), None, threads), True
    array, ids, samples = labelled(values, "phenotypes", "samples", "phenotype", "sample")
    array = np.asarray(array, np.float64)
    described = _abi.Features(size=ctypes.sizeof(_abi.Features))
    listed: list[Any] = []

    def strings(values: Any) -> StringList:
        listed.append(StringList(values))
        return listed[-1]

    if positions is not None:
        if isinstance(values, pd.DataFrame):
            positions = positions.loc[values.index]
        elif len(positions) == len(ids):
            ids = names(positions.index)
        else:
            raise ValueError(f"{len(positions)} positions, {len(ids)} phenotypes")
        described.chromosomes = strings(names(column(positions, CHROMOSOME, "phenotype_positions"))).pointer
        start = column(positions, ("start", *POSITION), "phenotype_positions")
        end = column(positions, ("end", *POSITION), "phenotype_positions")
        places = [np.ascontiguousarray(place, np.int64) for place in (start, end)]
        listed.extend(places)
        described.starts, described.ends = (place.ctypes.data for place in places)
    if groups is not None:
        described.groups = strings(["" if pd.isna(g) else str(g) for g in groups.reindex(ids)]).pointer
    described.ids = strings(ids).value
    handle = make(
        "phenotypes", "phenotypes_from_float64", array.ctypes.data, *strides(array), strings(samples).pointer,
        ctypes.byref(described),
    )  # fmt: skip
    return handle, positions is not None


def covariates(values: Interactions, phenotypes: Handle) -> Handle:
    """Samples × covariates (or terms)."""
    if is_path(values):
        return make("covariates", "covariates_open", path_bytes(values), phenotypes.pointer)
    if isinstance(values, pd.Series):
        values = values.to_frame()
    array, samples, covariate_names = labelled(values, "samples", "covariates", "sample", "covariate")
    array = np.asarray(array, np.float64)
    return make(
        "covariates", "covariates_from_float64", array.ctypes.data, *strides(array), StringList(samples).pointer,
        StringList(covariate_names).pointer,
    )  # fmt: skip


def kinship(values: Kinship) -> Handle:
    """Samples × samples."""
    if is_path(values):
        return make("kinship", "kinship_open", path_bytes(values))
    array, samples, _ = labelled(values, "samples", "samples", "sample", "sample")
    if array.shape[0] != array.shape[1]:
        raise ValueError(f"a kinship is square, not {array.shape[0]} × {array.shape[1]}")
    array = np.ascontiguousarray(array, np.float64)
    return make("kinship", "kinship_from_float64", array.ctypes.data, StringList(samples).pointer)
