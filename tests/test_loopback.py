"""Real runs on loopback: every message once and in order, and what simulation says of the same run.

Nothing here depends on how fast the machine is: the runs are short, and only order, fates, counts
and bytes are compared.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pytest

from lab import STRATEGIES, Periodic, Poisson, Scenario, Strategy, Uniform, Workload, simulate
from lab.engines.common import acknowledges, polls
from lab.engines.loopback import Session
from lab.engines.loopback.idle import idle
from lab.outcomes import checks
from lab.physics import reference
from lab.strategies import (
    Call,
    HttpIngest,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Stream,
    Webhook,
    WebSocketPush,
)
from lab.trace import PATH, Fate, Trace

SIZE = 200  # bytes
PLAIN = Workload(arrivals=Poisson(rate=300), size=SIZE, duration=0.2, seed=3)


class Case(NamedTuple):
    """A run: a strategy, how many consumers it has, and the processes it is spread over."""

    strategy: Strategy
    consumers: int = 1
    processes: str = "separate"

    @property
    def name(self) -> str:
        extra = f" x{self.consumers}" if self.consumers > 1 else ""
        return f"{self.strategy.label}{extra}{' in one' if self.processes == 'one' else ''}"

    @property
    def scenario(self) -> Scenario:
        workload = PLAIN.model_copy(update={"consumers": self.consumers})
        return Scenario(
            workload=workload, strategies=[self.strategy], processes=self.processes, drain=30.0
        )


VARIANTS: list[Strategy] = [
    WebSocketPush(acks=True, credits=5),
    WebSocketPush(batch_size=5, linger=0.01),
    WebSocketPush(acks=True, credits=20, batch_size=5, linger=0.01),
    WebSocketPush(queue=1),
    ServerSentEvents(batch_size=5, linger=0.01),
    Webhook(keep_alive=False),
    Webhook(concurrency=4),
    Webhook(batch_size=10, linger=0.02),
    HttpIngest(method="PUT", batch_size=10, linger=0.02),
    HttpIngest(keep_alive=False),
    ShortPoll(interval=0.03, destructive=True),
    ShortPoll(interval=0.03, keep_alive=False),
    ShortPoll(interval=0.01, max_records=2),
    PollThenPull(interval=0.03),
    LongPoll(min_records=10, max_wait=0.05),
]
CASES = [
    *(Case(strategy()) for strategy in STRATEGIES),
    *(Case(strategy) for strategy in VARIANTS),
    *(Case(s(), consumers=2) for s in (WebSocketPush, ServerSentEvents, Webhook, LongPoll)),
    *(Case(s(), processes="one") for s in (WebSocketPush, ServerSentEvents, HttpIngest, ShortPoll)),
]
all_cases = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


class Laboratory:
    """Measures each case once, all in one session, and simulates it once."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.measured: dict[str, Trace] = {}
        self.simulated: dict[str, Trace] = {}

    def measure(self, case: Case) -> Trace:
        if case.name not in self.measured:
            self.measured[case.name] = self.session.measure(case.scenario, case.strategy)
        return self.measured[case.name]

    def simulate(self, case: Case) -> Trace:
        if case.name not in self.simulated:
            physics = reference().physics
            self.simulated[case.name] = simulate(case.scenario, case.strategy, physics)
        return self.simulated[case.name]


@pytest.fixture(scope="module")
def laboratory() -> Iterator[Laboratory]:
    with Session() as session:
        yield Laboratory(session)


@all_cases
def test_every_message_is_delivered_once(case: Case, laboratory: Laboratory) -> None:
    trace = laboratory.measure(case)
    messages = PLAIN.draw()
    assert len(trace) == len(messages) * case.consumers > 30
    assert (trace.fate == Fate.DELIVERED).all()
    assert (trace.attempts == 1).all()
    assert (trace.created == np.tile(messages.created, case.consumers)).all()
    assert checks.check(trace) == []
    assert "cut_off" not in trace.manifest


@all_cases
def test_stamps_compare_between_processes(case: Case, laboratory: Laboratory) -> None:
    """Hops take time, never less than none, although another process stamps either end."""
    trace = laboratory.measure(case)
    before = trace.created
    for name in PATH[1:]:
        at = getattr(trace, name)
        if name == "at_broker" and case.strategy.brokerless:
            assert np.isnan(at).all()
            continue
        assert (at >= before).all(), name
        before = at
    assert np.isnan(trace.acked).all() or acknowledges(case.strategy)
    known = ~np.isnan(trace.acked)
    assert (trace.acked[known] >= trace.done[known]).all()


@all_cases
def test_order_is_kept_where_it_is_promised(case: Case, laboratory: Laboratory) -> None:
    trace = laboratory.measure(case)
    assert trace.manifest["ordered"] == (getattr(case.strategy, "concurrency", 1) == 1)
    if trace.manifest["ordered"]:
        for done in np.split(trace.done, case.consumers):
            assert (np.diff(done) >= 0).all()


@all_cases
def test_counters_are_sane(case: Case, laboratory: Laboratory) -> None:
    trace = laboratory.measure(case)
    counters, wire = trace.counters, case.strategy.wire
    if isinstance(wire, Call):
        assert counters.bytes_in == counters.bytes_out == counters.bytes_back == 0
    else:
        assert counters.bytes_out >= len(trace) * SIZE
        assert (counters.bytes_back > 0) == (not isinstance(wire, Stream) or wire_answers(case))
        assert (counters.bytes_in > 0) == (not case.strategy.brokerless)
    if isinstance(wire, Stream):
        assert counters.requests == case.consumers
    elif polls(wire):
        assert counters.requests > counters.empty_replies
    else:
        assert 0 < counters.requests <= len(trace)
    assert 1 <= counters.peak_queue <= len(PLAIN.draw())
    sides = set(trace.manifest["cores"])
    assert set(counters.cpu_seconds) == set(counters.wake_ups) == sides
    assert sum(counters.cpu_seconds.values()) > 0
    assert counters.elapsed >= trace.done.max()


def test_what_the_session_asks_is_not_part_of_the_cost() -> None:
    """Each of a few messages wakes each side once; commands to the sides wake them, too."""
    strategy = WebSocketPush()
    few = Workload(arrivals=Periodic(rate=20), duration=0.3)
    scenario = Scenario(workload=few, strategies=[strategy])
    with Session() as session:
        runs = [session.measure(scenario, strategy, k) for k in range(3)]
    for side in runs[0].counters.wake_ups:
        wake_ups = [run.counters.wake_ups[side] for run in runs]
        assert min(wake_ups) == len(runs[0]), side


def test_to_be_told_is_not_part_of_the_cost() -> None:
    """A side that nothing happens to has cost next to nothing, to what one message costs."""
    strategy = WebSocketPush()
    one = Workload(arrivals=Periodic(rate=20), duration=0.06)
    none = one.model_copy(update={"duration": 0.04})
    used = []
    with Session() as session:
        for workload, count in ((one, 1), (none, 0)):
            scenario = Scenario(workload=workload, strategies=[strategy])
            runs = [idle(session, scenario, strategy).counters for _ in range(5)]
            assert len(workload.draw()) == count
            used.append(np.median([sum(run.cpu_seconds.values()) for run in runs]))
    assert used[1] < 0.1 * used[0]


@all_cases
def test_connections_are_counted(case: Case, laboratory: Laboratory) -> None:
    """A stream has one for each consumer, requests share a few unless each has its own."""
    counters, wire = laboratory.measure(case).counters, case.strategy.wire
    made = counters.events["connections"]
    if isinstance(wire, Call):
        assert made == 0
    elif isinstance(wire, Stream):
        assert made == case.consumers
    elif getattr(case.strategy, "keep_alive", True):
        assert 1 <= made <= case.consumers * getattr(case.strategy, "concurrency", 1) * 2
        assert made < counters.requests
    else:  # the last request of each may still be under way when the run ends
        assert made <= counters.requests <= made + case.consumers


def wire_answers(case: Case) -> bool:
    return bool(getattr(case.strategy, "acks", False))


@all_cases
def test_fates_are_those_of_the_simulation(case: Case, laboratory: Laboratory) -> None:
    measured, simulated = laboratory.measure(case), laboratory.simulate(case)
    for name in ("message", "consumer", "size", "created", "attempts", "fate"):
        assert (getattr(measured, name) == getattr(simulated, name)).all(), name
    for name in ("at_broker", "acked"):
        known = ~np.isnan(getattr(measured, name)), ~np.isnan(getattr(simulated, name))
        assert known[0].any() == known[1].any(), name
    assert checks.check(simulated) == []


def payload_and_heads(trace: Trace) -> tuple[int, float]:
    """Split the bytes between broker and consumers: records, and what comes with each request."""
    counters = trace.counters
    records = int(trace.size.sum())
    heads = counters.bytes_out + counters.bytes_back - records
    return records, heads / counters.requests


def is_batched_stream(case: Case) -> bool:
    return isinstance(case.strategy.wire, Stream) and getattr(case.strategy, "batch_size", 1) > 1


BYTES = [
    pytest.param(c, id=c.name)
    for c in CASES
    if not isinstance(c.strategy.wire, Call) and not is_batched_stream(c)
]


@pytest.mark.parametrize("case", BYTES)
def test_bytes_are_those_of_the_simulation(case: Case, laboratory: Laboratory) -> None:
    """How many requests there are depends on the machine, so that is taken from the measured run."""
    records, simulated_head = payload_and_heads(laboratory.simulate(case))
    measured = laboratory.measure(case)
    _, measured_head = payload_and_heads(measured)
    requests = measured.counters.requests
    expected = records + requests * simulated_head
    assert records + requests * measured_head == pytest.approx(expected, rel=0.05)


def test_the_manifest_tells_how_it_was_measured(laboratory: Laboratory) -> None:
    manifest = laboratory.measure(CASES[0]).manifest
    assert manifest["engine"] == "loopback"
    assert manifest["seed"] == PLAIN.seed
    assert manifest["settings"]["websockets"]["compression"] is None
    assert manifest["settings"]["aiohttp_client"]["trust_env"] is False
    again = Scenario.read(manifest["scenario"], "manifest")
    assert again.strategies[manifest["strategy_index"]] == CASES[0].strategy
    assert (again.workload.draw(manifest["replication"]).created == PLAIN.draw().created).all()


def test_sizes_work_and_replications_are_those_of_the_workload(laboratory: Laboratory) -> None:
    workload = Workload(
        arrivals=Poisson(rate=200), size=Uniform(low=1, high=3000), work=0.002, duration=0.2
    )
    strategy = LongPoll()
    scenario = Scenario(workload=workload, strategies=[strategy])
    one, two = (laboratory.session.measure(scenario, strategy, r) for r in (0, 1))
    assert (one.size == workload.draw(0).size).all()
    assert (two.created == workload.draw(1).created).all()
    assert len(one) != len(two) or (one.created != two.created).any()
    for trace in (one, two):
        assert (trace.done - trace.started >= 0.002 - 1e-6).all()
        assert (trace.started[1:] >= trace.done[:-1]).all(), "one worker, one message at a time"


def test_a_run_can_be_measured_faster_than_it_is_described(laboratory: Laboratory) -> None:
    slow = PLAIN.model_copy(update={"arrivals": Poisson(rate=0.02), "duration": 2000.0})
    strategy = ShortPoll(interval=100)
    scenario = Scenario(workload=slow, strategies=[strategy], speed_up=10_000)
    trace = laboratory.session.measure(scenario, strategy)
    assert (trace.fate == Fate.DELIVERED).all()
    assert trace.created.max() <= 0.2
    assert trace.counters.elapsed < 20
