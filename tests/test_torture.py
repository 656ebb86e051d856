"""Torture, guarantees and recovery: generated faults, the matrix, the commands, hand-made traces."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from builders import changed, trace
from commands import run
from hypothesis import given, settings
from hypothesis import strategies as st

from lab.faults import FAULTS, ConsumerCrash, Fault, LinkDown, LinkFault, LostResponse
from lab.outcomes.checks import check
from lab.outcomes.guarantees import allowance
from lab.outcomes.recovery import lag, recovery
from lab.roles.push import PushBroker
from lab.scenario import Producer, Scenario
from lab.strategies import LongPoll, ServerSentEvents, ShortPoll, Strategy, Webhook, WebSocketPush
from lab.trace import Fate
from lab.trials import matrix, torture
from lab.trials.torture import Schedule, judge, simulated
from lab.workload import Constant, Periodic, Workload

RETRIES = {"timeout": 0.4, "retry_first": 0.05, "attempts": 20}


def test_random_schedules_break_no_promise() -> None:
    wrong = [(seed, what) for seed in range(300) if (what := judge(Schedule(seed), simulated)[0])]
    assert not wrong


def faults() -> Any:
    """Return a strategy that draws any fault, early in a run of a second."""
    at, duration = st.floats(0, 0.9), st.floats(0.05, 0.5)

    def build(kind: type[Fault]) -> Any:
        lasts = bool(kind.model_fields["duration"].default)
        links = st.sampled_from(["ingest", "delivery"])
        return st.builds(
            kind,
            at=at,
            **({"duration": duration} if lasts else {}),
            **({"link": links} if issubclass(kind, LinkFault) else {}),
        )

    return st.sampled_from(FAULTS).flatmap(build)


WAYS = st.sampled_from(
    [
        WebSocketPush(),
        WebSocketPush(replay=True),
        WebSocketPush(acks=True, credits=5),
        ServerSentEvents(),
        Webhook(**RETRIES),
        Webhook(**RETRIES, concurrency=4),
        ShortPoll(interval=0.05, max_records=5, timeout=0.4),
        LongPoll(max_records=5, max_wait=0.2, timeout=0.4),
        LongPoll(max_records=5, max_wait=0.2, timeout=0.4, commit="each"),
    ]
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    strategy=WAYS,
    some=st.lists(faults(), max_size=4),
    acks=st.sampled_from(["none", "retry", "idempotent"]),
    durable=st.booleans(),
)
def test_hypothesis_finds_no_broken_promise(
    strategy: Strategy, some: list[Fault], acks: Any, durable: bool
) -> None:
    scenario = Scenario(
        workload=Workload(arrivals=Periodic(rate=30), work=Constant(value=0.005), duration=1),
        strategies=[strategy],
        faults=torture.apart(sorted(some, key=lambda fault: fault.at)),
        producer=Producer(acks=acks, timeout=0.3),
        durable=durable,
        drain=30,
    )
    found = simulated(scenario, strategy)
    assert not (found.fate == Fate.IN_FLIGHT).any()
    assert not check(found)


def test_the_same_schedule_gives_the_same_trace() -> None:
    scenario = torture.draw(7)
    first, second = (simulated(scenario, scenario.strategies[0]) for _ in range(2))
    for name, column in first.columns().items():
        assert np.array_equal(column, second.columns()[name], equal_nan=column.dtype.kind == "f")


def test_a_failure_is_shrunk_and_can_be_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PushBroker, "_put_back", lambda *_: None)
    seed = next(seed for seed in range(1000) if judge(Schedule(seed), simulated)[0])
    small = torture.shrink(Schedule(seed), simulated)
    assert judge(small, simulated)[0]
    assert small.only is not None
    assert len(small.only) <= len(torture.draw(seed).faults)
    assert f"--seed {seed} --only" in small.command("simulation")


def test_the_command_tells_what_it_did(tmp_path: Path) -> None:
    done = run("torture", "--schedules", "20", "--json", cwd=tmp_path)
    found = json.loads(done.out)
    assert done.status == 0
    assert set(found) == {"engine", "schedules", "messages", "unaccounted", "violations"}
    assert found["schedules"] == 20
    assert found["violations"] == []


@pytest.mark.parametrize(
    "wrong", [["--engine", "pigeon"], ["--only", "0"], ["--schedules", "1", "--only", "x"]]
)
def test_wrong_input_is_one_line(wrong: list[str], tmp_path: Path) -> None:
    done = run("torture", *wrong, cwd=tmp_path)
    assert done.status == 2
    assert len(done.err.splitlines()) == 1


def test_every_cell_of_the_matrix_agrees() -> None:
    cells = list(matrix.cells(simulated))
    assert len(cells) == len(matrix.ROWS) * len(matrix.COLUMNS)
    assert [f"{c.strategy}: {c.fault}: {c.text}" for c in cells if not c.agrees] == []
    shown = {letter for cell in cells for letter in cell.observed}
    assert shown >= {"L", "D", "R", "P"}, "nothing happens in these experiments"


def scenario(strategy: Strategy, *some: Fault, **more: Any) -> Scenario:
    workload = Workload(arrivals=Periodic(rate=100), work=Constant(value=0.002), duration=1)
    return Scenario(workload=workload, strategies=[strategy], faults=list(some), **more)


@pytest.mark.parametrize(
    ("strategy", "fault", "lost", "again"),
    [
        (WebSocketPush(), ConsumerCrash(at=0.3), np.inf, 0),
        (WebSocketPush(replay=True), ConsumerCrash(at=0.3), 0, 1),
        (WebSocketPush(acks=True, credits=7), ConsumerCrash(at=0.3), 0, 7),
        (WebSocketPush(acks=True, credits=7), LinkDown(at=0.3), 0, 7),
        (Webhook(concurrency=3), LostResponse(at=0.3), 0, 3),
        (LongPoll(max_records=9), ConsumerCrash(at=0.3), 0, 9),
        (LongPoll(max_records=9, commit="before_work"), ConsumerCrash(at=0.3), 9, 0),
        (LongPoll(max_records=9), LinkDown(at=0.3), 0, 0),
        (ShortPoll(destructive=True, max_records=9), LinkDown(at=0.3), 9, 0),
    ],
)
def test_the_allowance(strategy: Strategy, fault: Fault, lost: float, again: float) -> None:
    found = allowance(scenario(strategy, fault), strategy)
    assert found is not None
    assert (found.lost, found.again) == (lost, again)


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ({"fate": {5: Fate.LOST}, "done": {5: np.nan}, "completions": {5: 0}}, "lost"),
        ({"completions": {5: 2}, "attempts": {5: 2}}, "duplicate"),
        ({"completions": {5: 3}, "attempts": {5: 2}}, "effort"),
        ({"fate": {5: Fate.EXPIRED}, "done": {5: np.nan}, "completions": {5: 0}}, "expired"),
        ({"fate": {5: Fate.DROPPED}, "done": {5: np.nan}, "completions": {5: 0}}, "dropped"),
        ({"done": {5: 0.4}}, "order"),
    ],
)
def test_each_broken_promise_is_told(cells: dict[str, dict[int, Any]], kind: str) -> None:
    asked = scenario(LongPoll())
    manifest = {
        "messages": 20,
        "consumers": 1,
        "scenario": asked.model_dump(mode="json", exclude_none=True),
        "strategy_index": 0,
    }
    sound = trace(np.arange(20) / 100, manifest=manifest)
    assert check(sound) == []
    assert kind in {violation.kind for violation in check(changed(sound, **cells))}


def test_recovery_of_a_consumer_that_was_away() -> None:
    created = np.arange(100) / 100
    done = np.where((created >= 0.3) & (created < 0.6), 0.6 + (created - 0.3) / 2, created + 0.001)
    late = trace(created)
    columns = late.columns() | {"done": done}
    away = type(late)(counters=late.counters, manifest=late.manifest, **columns)
    found = recovery(away, ConsumerCrash(at=0.3, duration=0.3))
    assert found.peak == pytest.approx(30, abs=2)
    assert 0.1 < found.seconds < 0.2
    assert lag(away, 0).after[-1] == 0


def test_recovery_is_instant_where_nothing_waited() -> None:
    found = recovery(trace(np.arange(50) / 100, latency=0.001), LinkDown(at=0.2))
    assert found.seconds == 0
