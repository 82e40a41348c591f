"""libswiftqtl.so by ctypes: what swiftqtl.h declares, and no more."""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, c_char_p, c_double, c_int32, c_int64, c_size_t, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Sequence

import numpy as np

ABI_VERSION = 1

OK, INVALID_ARGUMENT, MALFORMED, INCONSISTENT, DEGENERATE, ENVIRONMENT, CANCELLED, INTERNAL = range(8)
KINDS = ("ok", "invalid argument", "malformed", "inconsistent", "degenerate", "environment", "cancelled", "internal")

TABLE_MAIN, TABLE_DROPS, TABLE_HERITABILITY = range(3)
FLOAT64, INT64, STRING = 1, 2, 3


class Strings(ctypes.Structure):
    _fields_ = [("bytes", c_void_p), ("offsets", c_void_p), ("count", c_int64)]


class Variants(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("ids", Strings), ("chromosomes", POINTER(Strings)), ("positions", c_void_p),
        ("ref", POINTER(Strings)), ("alt", POINTER(Strings)),
    ]  # fmt: skip


class Features(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("ids", Strings), ("chromosomes", POINTER(Strings)), ("starts", c_void_p),
        ("ends", c_void_p), ("groups", POINTER(Strings)),
    ]  # fmt: skip


Progress = ctypes.CFUNCTYPE(c_int32, c_void_p, c_double, c_int64, c_int64)


class Options(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("threads", c_int32), ("instructions", c_int32), ("memory", c_int64),
        ("seed", c_uint64), ("progress", Progress), ("progress_data", c_void_p), ("maf", c_double),
        ("mac", c_double), ("max_missing", c_double), ("hwe", c_double), ("normal", c_int32),
        ("alternative", c_int32), ("window_from", c_int32), ("lmm_exact", c_int32), ("lmm_score", c_int32),
        ("max_patterns", c_int32), ("pval_threshold", c_double), ("exclude_cis", c_int64), ("q", c_int32),
        ("grouped", c_int32), ("window", c_int64), ("permutations", c_int64), ("successes", c_int64),
        ("fdr", c_double), ("qvalue_lambda", c_double), ("qvalue_method", c_int32), ("maf_interaction", c_double),
        ("best", c_int32), ("max_signals", c_int32), ("reml_no_constrain", c_int32),
    ]  # fmt: skip


class Genes(ctypes.Structure):
    _fields_ = [("size", c_size_t), ("ids", Strings), ("thresholds", c_void_p)]


class Counts(ctypes.Structure):
    _fields_ = [("size", c_size_t)] + [
        (name, c_int64)
        for name in (
            "variants", "dropped_variants", "tests", "excluded", "untestable", "phenotypes", "degrees_of_freedom",
            "samples",
        )
    ]  # fmt: skip


class Column(ctypes.Structure):
    _fields_ = [
        ("size", c_size_t), ("name", c_char_p), ("type", c_int32), ("count", c_int64), ("data", c_void_p),
        ("dictionary", Strings),
    ]  # fmt: skip


class SwiftQTLError(Exception):
    """What is wrong with the data, where, and what can be done about it."""

    #: "malformed" (a file breaks its format), "inconsistent" (tables disagree), "degenerate" (nothing to estimate), "environment"
    #: (files, memory) or "internal".
    kind: str

    def __init__(self, kind: str, message: str):
        super().__init__(message)
        self.kind = kind


class Cancelled(Exception):
    """The progress function said so."""


def _load() -> ctypes.CDLL:
    path = os.environ.get("SWIFTQTL_LIBRARY") or str(Path(__file__).parent / "libswiftqtl.so")
    # Calls through it release the GIL.
    library = ctypes.CDLL(path)
    out, error, strings = POINTER(c_void_p), POINTER(c_void_p), POINTER(Strings)
    scan = (c_int32, [c_void_p, POINTER(Options), out, error])
    signatures: dict[str, tuple[Any, list[Any]]] = {
        "abi_version": (c_int32, []),
        "version": (c_char_p, []),
        "error_code": (c_int32, [c_void_p]),
        "error_message": (c_char_p, [c_void_p]),
        "error_free": (None, [c_void_p]),
        "genotypes_open": (c_int32, [strings, c_int32, c_char_p, out, error]),
        "genotypes_from_int8": (c_int32, [c_void_p, c_int64, c_int64, strings, POINTER(Variants), out, error]),
        "genotypes_from_float32": (c_int32, [c_void_p, c_int64, c_int64, strings, POINTER(Variants), out, error]),
        "genotypes_free": (None, [c_void_p]),
        "phenotypes_open": (c_int32, [c_char_p, c_char_p, c_int32, out, error]),
        "phenotypes_from_float64": (c_int32, [c_void_p, c_int64, c_int64, strings, POINTER(Features), out, error]),
        "phenotypes_free": (None, [c_void_p]),
        "covariates_open": (c_int32, [c_char_p, c_void_p, out, error]),
        "covariates_from_float64": (c_int32, [c_void_p, c_int64, c_int64, strings, strings, out, error]),
        "covariates_free": (None, [c_void_p]),
        "kinship_open": (c_int32, [c_char_p, out, error]),
        "kinship_from_float64": (c_int32, [c_void_p, strings, out, error]),
        "kinship_free": (None, [c_void_p]),
        "study_create_with_interactions": (c_int32, [c_void_p] * 5 + [strings, c_int32, out, error]),
        "study_sample_count": (c_int64, [c_void_p]),
        "study_notes": (Strings, [c_void_p]),
        "study_free": (None, [c_void_p]),
        "options_init": (None, [POINTER(Options), c_size_t]),
        "trans": scan,
        "cis_nominal": scan,
        "cis_permute": scan,
        "cis_independent": (c_int32, [c_void_p, POINTER(Genes), POINTER(Options), out, error]),
        "cis_interaction": scan,
        "trans_interaction": scan,
        "results_counts": (None, [c_void_p, POINTER(Counts)]),
        "results_notes": (Strings, [c_void_p]),
        "results_table": (c_void_p, [c_void_p, c_int32]),
        "results_free": (None, [c_void_p]),
        "table_row_count": (c_int64, [c_void_p]),
        "table_column_count": (c_int32, [c_void_p]),
        "table_column": (c_int32, [c_void_p, c_int32, POINTER(Column), error]),
        "table_write": (c_int32, [c_void_p, c_char_p, c_int32, error]),
        "table_free": (None, [c_void_p]),
        "qvalues": (c_int32, [c_void_p, c_int64, c_int32, c_double, c_void_p, POINTER(c_double), error]),
        "beta_quantile": (c_double, [c_double] * 3),
        "beta_cdf": (c_double, [c_double] * 3),
    }
    for name, (result, arguments) in signatures.items():
        function = library["swiftqtl_" + name]
        function.restype, function.argtypes = result, arguments
        setattr(library, name, function)
    if library.abi_version() != ABI_VERSION:
        raise ImportError(f"{path} has interface {library.abi_version()}, this package needs {ABI_VERSION}")
    return library


library = _load()


def check(status: int, error: c_void_p) -> None:
    """Raises what `error` says, and frees it."""
    if status == OK:
        return
    message = (library.error_message(error) or b"").decode()
    library.error_free(error)
    if status == INVALID_ARGUMENT:
        raise ValueError(message)
    if status == CANCELLED:
        raise Cancelled(message)
    raise SwiftQTLError(KINDS[status], message)


class Handle:
    """An object of the library's. `keeps` is what it borrows."""

    def __init__(self, kind: str, pointer: int, keeps: Any = None):
        self._free = getattr(library, kind + "_free")
        self.pointer: int | None = pointer
        self.keeps = keeps

    def __del__(self) -> None:
        if getattr(self, "pointer", None):
            self._free(self.pointer)
            self.pointer = None


def make(kind: str, function: str, *arguments: Any, keeps: Any = None) -> Handle:
    """Calls a function that hands out an object."""
    out, error = c_void_p(), c_void_p()
    check(getattr(library, function)(*arguments, ctypes.byref(out), ctypes.byref(error)), error)
    assert out.value is not None
    return Handle(kind, out.value, keeps)


class StringList:
    """Strings as the library takes them: `pointer` keeps them alive, `value` alone does not when it is copied."""

    def __init__(self, strings: Sequence[str]):
        joined = "".join(strings)
        if joined.isascii():
            lengths = np.fromiter(map(len, strings), np.int64, len(strings))
            raw = joined.encode()
        else:
            encoded = [string.encode() for string in strings]
            lengths = np.fromiter(map(len, encoded), np.int64, len(strings))
            raw = b"".join(encoded)
        offsets = np.zeros(len(strings) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        self.value = Strings(ctypes.cast(c_char_p(raw), c_void_p), offsets.ctypes.data, len(strings))
        self.value.keeps = raw, offsets
        self.pointer = ctypes.pointer(self.value)


def decoded(strings: Strings) -> list[str]:
    """Strings as the library gives them."""
    if strings.count == 0:
        return []
    offsets = np.frombuffer((c_int64 * (strings.count + 1)).from_address(strings.offsets), np.int64).tolist()
    raw = ctypes.string_at(strings.bytes, offsets[-1])
    if raw.isascii():
        text = raw.decode()
        return [text[a:b] for a, b in zip(offsets, offsets[1:])]
    return [raw[a:b].decode() for a, b in zip(offsets, offsets[1:])]
