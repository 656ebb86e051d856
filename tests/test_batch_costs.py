"""What a batch costs its consumer besides its messages: once a batch, on both engines."""

import numpy as np
import pytest

from lab import (
    IDEAL,
    HttpIngest,
    LongPoll,
    Scenario,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
    Workload,
    check,
    simulate,
    theory,
)
from lab.engines.loopback import measure
from lab.faults import SlowConsumer
from lab.outcomes.guarantees import allowance
from lab.workload import Periodic, Poisson

WORK, PER_BATCH = 0.001, 0.01  # seconds


def offered(strategy: Strategy, **changes: object) -> Scenario:
    """Ten messages that are there at once, as good as."""
    workload = Workload(
        arrivals=Periodic(rate=1e5), work=WORK, per_batch=PER_BATCH, duration=1e-4, seed=1
    )
    return Scenario(workload=workload, strategies=[strategy], replications=1, **changes)


@pytest.mark.parametrize(
    ("strategy", "batches"),
    [
        (WebSocketPush(), 10),
        (WebSocketPush(batch_size=5, linger=1.0), 2),
        (WebSocketPush(batch_size=10, linger=1.0), 1),
        (HttpIngest(batch_size=5, linger=1.0), 2),
        (ShortPoll(interval=0.5), 1),
        (ShortPoll(interval=0.5, commit="each"), 10),
    ],
    ids=lambda value: getattr(value, "label", str(value)),
)
def test_a_batch_costs_once(strategy: Strategy, batches: int) -> None:
    trace = simulate(offered(strategy), strategy, IDEAL)
    worked = trace.done - trace.started
    assert worked.sum() == pytest.approx(batches * PER_BATCH + 10 * WORK)
    assert np.count_nonzero(worked > WORK + PER_BATCH / 2) == batches
    assert check(trace) == []


def test_a_slow_consumer_is_slow_with_batches_too() -> None:
    strategy = WebSocketPush(batch_size=10, linger=1.0)
    fault = SlowConsumer(at=0, duration=1, times=3)
    trace = simulate(offered(strategy, faults=[fault]), strategy, IDEAL)
    assert (trace.done - trace.started).sum() == pytest.approx(3 * (PER_BATCH + 10 * WORK))


@pytest.mark.parametrize("strategy", [WebSocketPush(batch_size=5, linger=1.0), LongPoll()])
def test_measured_batches_cost_as_much(strategy: Strategy) -> None:
    trace = measure(offered(strategy), strategy)
    worked = np.sort(trace.done - trace.started)
    dear = np.count_nonzero(worked >= WORK + PER_BATCH)
    assert 1 <= dear <= (2 if isinstance(strategy, WebSocketPush) else 10)
    assert (worked >= WORK).all()
    assert check(trace) == []


def test_theory_and_promises_know_of_it() -> None:
    workload = Workload(arrivals=Poisson(rate=10), work=0.01, duration=1000)
    dear = workload.model_copy(update={"per_batch": 0.03})
    strategy = Webhook(timeout=0.5)
    plain, costly = (Scenario(workload=w, strategies=[strategy]) for w in (workload, dear))
    assert theory(plain, LongPoll(), 0.0, 0.0) is not None
    assert theory(costly, LongPoll(), 0.0, 0.0) is None
    for scenario, given_up in ((plain, False), (costly, True)):
        allowed = allowance(scenario, strategy)
        assert allowed is not None and allowed.given_up is given_up
