"""Benchmark of the simulation: beside bare SimPy on the same pipelines, and for every strategy.

`simulation_speed.py` compares more closely: interleaved, at many sizes and rates, with memory.
"""

import time

import numpy as np
import pytest
from figures import note_rate
from pipelines import PIPELINES, Case, Pipeline
from pytest_benchmark.fixture import BenchmarkFixture

from lab import Poisson, Scenario, Workload, simulate
from lab.physics import reference
from lab.strategies import STRATEGIES, Strategy
from lab.trace import Fate

COUNT, RATE = 10_000, 10_000.0
SLOW_RATE = 200  # messages a second: what every strategy keeps up with on the reference machine

beside = pytest.mark.parametrize("pipeline", PIPELINES, ids=lambda p: p.name)


@pytest.mark.benchmark(timer=time.process_time)
@beside
def test_bare_simpy(benchmark: BenchmarkFixture, pipeline: Pipeline) -> None:
    benchmark.group = f"simulated messages: {pipeline.name}"
    case = Case(pipeline, COUNT, RATE)
    created = case.scenario().workload.draw().created
    latencies = benchmark.pedantic(case.run_bare, (created,), rounds=9, warmup_rounds=1)
    assert len(latencies) == len(created)
    note_rate(benchmark, len(created))


@pytest.mark.benchmark(timer=time.process_time)
@beside
def test_lab(benchmark: BenchmarkFixture, pipeline: Pipeline) -> None:
    benchmark.group = f"simulated messages: {pipeline.name}"
    case = Case(pipeline, COUNT, RATE)
    scenario = case.scenario()
    trace = benchmark.pedantic(case.run_lab, (scenario,), rounds=9, warmup_rounds=1)
    assert (trace.fate == Fate.DELIVERED).all()
    note_rate(benchmark, len(trace))


@beside
def test_both_simulate_the_same(pipeline: Pipeline) -> None:
    case = Case(pipeline, COUNT, 1_000)
    scenario = case.scenario()
    bare = case.run_bare(scenario.workload.draw().created)
    lab = case.run_lab(scenario).latency
    assert len(bare) == len(lab)
    assert np.mean(bare) == pytest.approx(lab.mean(), rel=0.02)


@pytest.mark.benchmark(group="simulated messages: every strategy", timer=time.process_time)
@pytest.mark.parametrize("kind", STRATEGIES, ids=lambda kind: kind.__name__)
def test_strategy(benchmark: BenchmarkFixture, kind: type[Strategy]) -> None:
    strategy, physics = kind(), reference().physics
    workload = Workload(arrivals=Poisson(rate=SLOW_RATE), duration=COUNT / SLOW_RATE)
    scenario = Scenario(workload=workload, strategies=[strategy])
    trace = benchmark.pedantic(simulate, (scenario, strategy, physics), rounds=5, warmup_rounds=1)
    assert (trace.fate == Fate.DELIVERED).all()
    note_rate(benchmark, len(trace))
