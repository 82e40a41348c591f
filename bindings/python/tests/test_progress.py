"""A scan reports, can be stopped, and lets other threads run."""

from __future__ import annotations

import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pytest

import swiftqtl


@pytest.fixture(scope="module")
def study() -> swiftqtl.Study:
    """Some seconds of permutations on one thread."""
    random = np.random.default_rng(1)
    genotypes = random.binomial(2, 0.3, (4000, 400)).astype(np.int8)
    values = random.standard_normal((300, 400))
    variants = pd.DataFrame({"chrom": "1", "pos": 1000 * np.arange(1, 4001)}, index=[f"v{i}" for i in range(4000)])
    positions = pd.DataFrame({"chr": "1", "pos": 13_000 * np.arange(1, 301)}, index=[f"p{i}" for i in range(300)])
    return swiftqtl.Study(genotypes, values, variants=variants, phenotype_positions=positions)


def test_progress_rises(study: swiftqtl.Study) -> None:
    calls: list[tuple[float, int, int]] = []
    study.cis_nominal(progress=lambda *call: calls.append(call))
    fractions = [call[0] for call in calls]
    assert fractions[0] == 0 and fractions[-1] == 1 and fractions == sorted(fractions)
    assert calls[-1][1] > 100_000


def test_exception_of_the_function_ends_the_scan(study: swiftqtl.Study) -> None:
    def stop(fraction: float, tests: int, rows: int) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        study.cis(progress=stop)


def test_bar(study: swiftqtl.Study, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("tqdm")
    study.cis_nominal(progress=True)
    assert "cis_nominal" in capsys.readouterr().err
    study.cis_nominal(progress=False)
    assert capsys.readouterr().err == ""


def test_interrupt(study: swiftqtl.Study) -> None:
    started = threading.Event()
    timer = threading.Thread(target=lambda: (started.wait(60), os.kill(os.getpid(), signal.SIGINT)))
    timer.start()
    calls: list[float] = []

    def show(fraction: float, tests: int, rows: int) -> None:
        calls.append(fraction)
        started.set()

    with pytest.raises(KeyboardInterrupt):
        study.cis(threads=1, permutations=5_000, progress=show)
    timer.join()
    assert calls[-1] < 1


def test_other_threads_run(study: swiftqtl.Study) -> None:
    ticks = 0
    stop = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not stop.is_set():
            ticks += 1
            time.sleep(0.001)

    clock = threading.Thread(target=tick)
    clock.start()
    study.cis(threads=1, permutations=200)
    stop.set()
    clock.join()
    # One that held the interpreter would leave a tick or two.
    assert ticks > 20


def test_two_scans_at_once(study: swiftqtl.Study) -> None:
    expected = study.cis(permutations=100).table
    tables: list = []
    threads = [threading.Thread(target=lambda: tables.append(study.cis(permutations=100).table)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tables) == 3 and all(table.equals(expected) for table in tables)
