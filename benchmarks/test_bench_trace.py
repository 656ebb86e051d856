"""Benchmark of what reads traces: metrics, the delivery checker, saving and loading."""

from pathlib import Path

import pytest
from figures import note_rate
from pipelines import PIPELINES, Case
from pytest_benchmark.fixture import BenchmarkFixture

from lab.metrics import summarise
from lab.outcomes.checks import check
from lab.trace import Trace, load

pytestmark = pytest.mark.benchmark(group="trace to metrics")


@pytest.fixture(scope="module", params=[100_000, 1_000_000], ids=["100,000 rows", "1,000,000 rows"])
def trace(request: pytest.FixtureRequest) -> Trace:
    case = Case(PIPELINES[1], request.param, 10_000)
    return case.run_lab(case.scenario())


def test_summarise(benchmark: BenchmarkFixture, trace: Trace) -> None:
    metrics = benchmark.pedantic(summarise, (trace,), rounds=5, warmup_rounds=1)
    assert metrics.offered == len(trace)
    note_rate(benchmark, len(trace), "rows")


def test_check(benchmark: BenchmarkFixture, trace: Trace) -> None:
    assert benchmark.pedantic(check, (trace,), rounds=5, warmup_rounds=1) == []
    note_rate(benchmark, len(trace), "rows")


def test_save(benchmark: BenchmarkFixture, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    benchmark.pedantic(trace.save, (path,), rounds=2)
    benchmark.extra_info["bytes_per_row"] = round(path.stat().st_size / len(trace), 1)
    note_rate(benchmark, len(trace), "rows")


def test_load(benchmark: BenchmarkFixture, trace: Trace, tmp_path: Path) -> None:
    path = tmp_path / "trace.npz"
    trace.save(path)
    assert len(benchmark.pedantic(load, (path,), rounds=3)) == len(trace)
    note_rate(benchmark, len(trace), "rows")
