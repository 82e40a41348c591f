"""Scans: what the program does, on files or arrays."""

from __future__ import annotations

import ctypes
import logging
import math
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Callable, TypedDict

import numpy as np
import pandas as pd

from . import _abi, _inputs
from ._abi import Handle, StringList, SwiftQTLError, library, make

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ._inputs import Covariates, Genotypes, Interactions, Kinship, Path, Phenotypes

log = logging.getLogger("swiftqtl")

#: Gets the share of the work that is done, tests and rows so far. What it raises ends the scan.
ProgressFunction = Callable[[float, int, int], None]


class ScanOptions(TypedDict, total=False):
    """Of all scans; the defaults are the program's.

    - threads: the cores this process may use.
    - memory: bytes, three quarters of the machine's.
    - seed: of everything drawn at random.
    - maf, mac, max_missing, hwe: variants with a minor allele rarer than 0.01 (share) or 0 (count), missing in more than 0.05 of the
      samples, or with a Hardy-Weinberg p below 0 are left out.
    - normal: transform phenotypes to normal quantiles.
    - alternative: "two-sided", "greater" or "less".
    - window_from: "tss" or "interval", what distances are measured from.
    - max_patterns: mixed models: most sets of missing samples among phenotypes (10).
    - reml_no_constrain: mixed models: h² may be negative.
    - progress: a function, True (a bar by tqdm), False; by default a bar in notebooks and on terminals where tqdm is installed.
    """

    threads: int
    memory: int
    seed: int
    maf: float
    mac: float
    max_missing: float
    hwe: float
    normal: bool
    alternative: str
    window_from: str
    max_patterns: int
    reml_no_constrain: bool
    progress: bool | ProgressFunction | None


class MixedOptions(ScanOptions, total=False):
    """With a kinship. exact: estimate h² anew with the variant in the model. score: GEMMA's score test."""

    exact: bool
    score: bool


class StudyOptions(TypedDict, total=False):
    """How tables are read.

    - variants: of genotype arrays: a row for each variant, by id, with columns chrom and pos (1-based), and ref and alt.
    - phenotype_positions: of phenotype arrays: a row for each phenotype, with columns chr and start and end (1-based, closed) or pos.
    - groups: of phenotype arrays: by phenotype, those that are mapped as one.
    - samples: only these.
    - dosage_field: of VCF and BCF, "GT", "DS" or "GP".
    """

    variants: pd.DataFrame
    phenotype_positions: pd.DataFrame
    groups: pd.Series
    samples: list[str]
    dosage_field: str


ALTERNATIVES = {"two-sided": 0, "greater": 1, "less": 2}
ANCHORS = {None: 0, "tss": 1, "interval": 2}
QVALUE_METHODS = {"smoother": 0, "bootstrap": 1, "bh": 2}


def chosen(choices: dict[Any, int], name: str, value: Any) -> int:
    try:
        return choices[value]
    except (KeyError, TypeError):
        known = ", ".join(repr(choice) for choice in choices if choice is not None)
        raise ValueError(f"{name} is {value!r}, not one of {known}") from None


class Study:
    """Genotypes, phenotypes and covariates of the same samples, joined by id.

    Arrays without ids are joined by place. Genotype arrays of int8 and float32 are used where they lie: they must not change while the
    study lives. With a kinship all scans fit mixed models, y = Wα + gβ + u + ε, Var u = h²·K.

    Parameters
    ----------
    genotypes : path, list of paths, DataFrame or array, variants × samples
        Dosages of ALT, 0 to 2; negative numbers and NaN are missing, and imputed to the variant's mean.
    phenotypes : path, DataFrame or array, phenotypes × samples
        NaN is missing: a phenotype is analysed on its observed samples.
    covariates : path, DataFrame or array, samples × covariates
        Without the intercept; complete.
    kinship : path, DataFrame or array, samples × samples
    interactions : path, DataFrame, Series or array, samples × terms
        What may interact with the genotype; complete. In the model of `cis_interaction` and `trans_interaction` only.
    """

    def __init__(
        self,
        genotypes: Genotypes,
        phenotypes: Phenotypes,
        covariates: Covariates | None = None,
        *,
        kinship: Kinship | None = None,
        interactions: Interactions | None = None,
        variants: pd.DataFrame | None = None,
        phenotype_positions: pd.DataFrame | None = None,
        groups: pd.Series | None = None,
        samples: list[str] | None = None,
        dosage_field: str | None = None,
        threads: int = 0,
        shares_chromosomes: bool = True,
    ):
        g = _inputs.genotypes(genotypes, variants, dosage_field)
        y, self.has_positions = _inputs.phenotypes(phenotypes, phenotype_positions, groups, threads)
        w = None if covariates is None else _inputs.covariates(covariates, y)
        i = None if interactions is None else _inputs.covariates(interactions, y)
        k = None if kinship is None else _inputs.kinship(kinship)
        self.is_mixed = k is not None
        self.is_grouped = groups is not None
        self._handle = make(
            "study", "study_create_with_interactions", g.pointer, y.pointer, w and w.pointer, i and i.pointer,
            k and k.pointer, None if samples is None else StringList(_inputs.names(samples)).pointer, int(shares_chromosomes),
            keeps=g,
        )  # fmt: skip
        #: What was joined and assumed.
        self.notes = _abi.decoded(library.study_notes(self._handle.pointer))
        for note in self.notes:
            log.info(note)

    @property
    def sample_count(self) -> int:
        return library.study_sample_count(self._handle.pointer)

    def trans(
        self,
        *,
        pval_threshold: float = 1e-5,
        exclude_cis: int | None = 5_000_000,
        q: bool = True,
        **options: Unpack[MixedOptions],
    ) -> Result:
        """All variants against all phenotypes; see `swiftqtl.trans`."""
        return self._scan(
            "trans", options, pval_threshold=pval_threshold, exclude_cis=-1 if exclude_cis is None else exclude_cis,
            q=int(q),
        )  # fmt: skip

    def cis_nominal(self, *, window: int = 1_000_000, **options: Unpack[MixedOptions]) -> Result:
        """Every variant in the window of each phenotype; see `swiftqtl.cis_nominal`."""
        return self._scan("cis_nominal", options, window=window)

    def cis(
        self,
        *,
        window: int = 1_000_000,
        permutations: int | tuple[int, int] = 10_000,
        fdr: float = 0.05,
        qvalue_method: str = "smoother",
        qvalue_lambda: float | None = None,
        **options: Unpack[ScanOptions],
    ) -> Result:
        """The best variant of each phenotype, with permutations; see `swiftqtl.cis`."""
        successes, most = (0, permutations) if isinstance(permutations, int) else permutations
        return self._scan(
            "cis_permute", options, window=window, permutations=most, successes=successes, fdr=fdr,
            grouped=int(self.is_grouped), qvalue_method=chosen(QVALUE_METHODS, "qvalue_method", qvalue_method),
            qvalue_lambda=math.nan if qvalue_lambda is None else qvalue_lambda,
        )  # fmt: skip

    def cis_independent(
        self,
        genes: pd.DataFrame,
        *,
        fdr: float = 0.05,
        window: int = 1_000_000,
        max_signals: int | None = None,
        **options: Unpack[ScanOptions],
    ) -> Result:
        """Independent signals of significant genes; see `swiftqtl.cis_independent`."""
        if max_signals is not None and max_signals < 1:
            raise ValueError(f"max_signals is {max_signals}")
        key = "group_id" if self.is_grouped else "phenotype_id"
        threshold = _inputs.column(genes, ("pval_nominal_threshold",), "genes")
        rows = (_inputs.column(genes, ("qval",), "genes") <= fdr) & threshold.notna()
        if not rows.any():
            raise SwiftQTLError("degenerate", f"none of the {len(genes)} genes has q <= {fdr} and a threshold")
        thresholds = np.ascontiguousarray(threshold[rows], np.float64)
        ids = StringList(_inputs.names(_inputs.column(genes, (key,), "genes")[rows]))
        own = _abi.Genes(ctypes.sizeof(_abi.Genes), ids.value, thresholds.ctypes.data)
        return self._scan(
            "cis_independent", options, ctypes.byref(own), window=window, grouped=int(self.is_grouped),
            max_signals=max_signals or 0,
        )  # fmt: skip

    def cis_interaction(
        self,
        *,
        window: int = 1_000_000,
        maf_interaction: float = 0.05,
        best: bool = False,
        **options: Unpack[ScanOptions],
    ) -> Result:
        """Whether effects depend on the study's `interactions`; see `swiftqtl.cis_interaction`."""
        return self._scan("cis_interaction", options, window=window, maf_interaction=maf_interaction, best=int(best))

    def trans_interaction(
        self,
        *,
        pval_threshold: float = 1e-5,
        exclude_cis: int | None = 5_000_000,
        q: bool = True,
        maf_interaction: float = 0.05,
        **options: Unpack[ScanOptions],
    ) -> Result:
        """The same for all variants and phenotypes; see `swiftqtl.trans_interaction`."""
        return self._scan(
            "trans_interaction", options, pval_threshold=pval_threshold, exclude_cis=-1 if exclude_cis is None else exclude_cis,
            q=int(q), maf_interaction=maf_interaction,
        )  # fmt: skip

    def _scan(self, scan: str, given: Any, *between: Any, **own: Any) -> Result:
        """`between`: arguments before the options."""
        options = _abi.Options()
        library.options_init(ctypes.byref(options), ctypes.sizeof(options))
        given = dict(given)
        progress = given.pop("progress", None)
        for name, value in own.items():
            setattr(options, name, value)
        for name, value in given.items():
            if name == "alternative":
                options.alternative = chosen(ALTERNATIVES, name, value)
            elif name == "window_from":
                options.window_from = chosen(ANCHORS, name, value)
            elif name in ("exact", "score"):
                setattr(options, "lmm_" + name, int(value))
            elif name in ScanOptions.__annotations__:
                setattr(options, name, int(value) if isinstance(value, bool) else value)
            else:
                raise TypeError(f"{scan} has no option {name}")
        return Result(_run(scan, (self._handle.pointer, *between), options, _Reporter(progress, scan)))


class _Reporter:
    """Calls the user's function, and remembers what it raised."""

    def __init__(self, progress: bool | ProgressFunction | None, title: str):
        self.failure: BaseException | None = None
        self.is_cancelled = False
        self._bar: Any = None
        self._show: ProgressFunction | None = progress if callable(progress) else None
        if progress is True or (progress is None and _is_watched()):
            try:
                from tqdm.auto import tqdm
            except ImportError:
                if progress:
                    raise
                return
            self._bar = tqdm(
                total=100, desc=title, unit="%", leave=False, bar_format="{desc}: {percentage:3.0f}%|{bar}| {postfix} {remaining}"
            )
            self._show = self._show_bar

    def _show_bar(self, fraction: float, tests: int, rows: int) -> None:
        self._bar.n = 100 * fraction
        self._bar.set_postfix_str(f"{tests:,} tests")

    def __call__(self, data: Any, fraction: float, tests: int, rows: int) -> int:
        try:
            if self._show and not self.is_cancelled:
                self._show(fraction, tests, rows)
        except BaseException as failure:
            self.failure = failure
            return 1
        return int(self.is_cancelled)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _is_watched() -> bool:
    """Whether somebody looks on: a notebook or a terminal."""
    shell = sys.modules.get("IPython") and sys.modules["IPython"].get_ipython()
    return (shell is not None and hasattr(shell, "kernel")) or (sys.stderr is not None and sys.stderr.isatty())


def _run(scan: str, arguments: tuple[Any, ...], options: _abi.Options, reporter: _Reporter) -> Handle:
    """Runs a scan in a thread of its own, so that this one can be interrupted."""
    options.progress = _abi.Progress(reporter)
    outcome: list[Any] = []
    done = threading.Event()

    def work() -> None:
        try:
            outcome.append(make("results", scan, *arguments, ctypes.byref(options)))
        except BaseException as failure:
            outcome.append(failure)
        finally:
            done.set()

    worker = threading.Thread(target=work, name="swiftqtl", daemon=True)
    worker.start()
    try:
        done.wait()
    except BaseException:
        # Ctrl-C: the scan stops at its next block.
        reporter.is_cancelled = True
        done.wait()
        raise
    finally:
        worker.join()
        reporter.close()
    if reporter.failure is not None:
        raise reporter.failure
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


@dataclass(frozen=True)
class Counts:
    """What a scan did."""

    variants: int
    dropped_variants: int
    tests: int
    excluded: int
    untestable: int
    phenotypes: int
    degrees_of_freedom: int
    samples: int


class Result:
    """Tables of a scan."""

    def __init__(self, handle: Handle):
        self._handle = handle
        counts = _abi.Counts(size=ctypes.sizeof(_abi.Counts))
        library.results_counts(handle.pointer, ctypes.byref(counts))
        self.counts = Counts(**{name: getattr(counts, name) for name in Counts.__dataclass_fields__})
        #: What there is to know about the scan.
        self.notes = _abi.decoded(library.results_notes(handle.pointer))
        for note in self.notes:
            log.info(note)

    @property
    def table(self) -> pd.DataFrame:
        """Pairs, phenotypes or signals; made anew at each call."""
        frame = _frame(self._table(_abi.TABLE_MAIN))
        assert frame is not None
        return frame

    @property
    def drops(self) -> pd.DataFrame:
        """Samples, variants, phenotypes and covariates that were left out: kind, id, reason, detail."""
        frame = _frame(self._table(_abi.TABLE_DROPS))
        assert frame is not None
        return frame

    @property
    def heritability(self) -> pd.DataFrame | None:
        """Of mixed models: variance components by phenotype."""
        return _frame(self._table(_abi.TABLE_HERITABILITY))

    def write(self, path: Path, *, level: int = 1) -> None:
        """Writes the table as the program does, to the byte: BGZF at `level` where the name ends in .gz, else plain."""
        table = self._table(_abi.TABLE_MAIN)
        raw, error = _inputs.path_bytes(path), ctypes.c_void_p()
        level = level if raw.endswith(b".gz") else -1
        _abi.check(library.table_write(table and table.pointer, raw, level, ctypes.byref(error)), error)

    def _table(self, kind: int) -> Handle | None:
        pointer = library.results_table(self._handle.pointer, kind)
        return Handle("table", pointer) if pointer else None


def _frame(table: Handle | None) -> pd.DataFrame | None:
    if table is None:
        return None
    columns: dict[str, Any] = {}
    for index in range(library.table_column_count(table.pointer)):
        column, error = _abi.Column(size=ctypes.sizeof(_abi.Column)), ctypes.c_void_p()
        _abi.check(library.table_column(table.pointer, index, ctypes.byref(column), ctypes.byref(error)), error)
        columns[column.name.decode()] = _values(column)
    return pd.DataFrame(columns, copy=False)


def _values(column: _abi.Column) -> Any:
    kind = {_abi.FLOAT64: np.float64, _abi.INT64: np.int64, _abi.STRING: np.int32}[column.type]
    if column.count == 0:
        return np.empty(0, object if column.type == _abi.STRING else kind)
    size = column.count * np.dtype(kind).itemsize
    values = np.frombuffer((ctypes.c_char * size).from_address(column.data), kind)
    if column.type != _abi.STRING:
        return values.copy()
    # A missing one has the code −1.
    dictionary = np.array([*_abi.decoded(column.dictionary), None], dtype=object)
    return dictionary[values]
