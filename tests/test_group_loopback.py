"""A consumer group over real connections: each message to one member, and over when a member dies."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from lab import Constant, ConsumerGroup, Poisson, Scenario, Trace, Workload
from lab.engines.loopback import Session
from lab.faults import ConsumerCrash, Fault, SlowConsumer
from lab.outcomes import checks
from lab.trace import Fate

GROUP = ConsumerGroup(max_records=5, session_timeout=0.3, heartbeat=0.1)


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session() as session:
        yield session


def measured(session: Session, *faults: Fault, **knobs: Any) -> Trace:
    """Return the trace of a second of messages, all of which three members have delivered."""
    group = GROUP.model_copy(update=knobs)
    workload = Workload(
        arrivals=Poisson(rate=200), work=Constant(value=0.004), duration=1, consumers=3, seed=3
    )
    scenario = Scenario(workload=workload, strategies=[group], faults=list(faults))
    trace = session.measure(scenario, group)
    assert len(trace) == len(workload.draw())
    assert (trace.fate == Fate.DELIVERED).all()
    assert checks.check(trace) == []
    return trace


def test_each_message_goes_to_one_member_once(session: Session) -> None:
    trace = measured(session, session_timeout=5.0)  # nobody is thought dead
    assert (trace.attempts == 1).all() and (trace.completions == 1).all()
    assert not np.isnan(trace.acked).any()
    assert trace.counters.elapsed < 5, "it ends when all is done"
    assert trace.counters.events["rebalances"] >= 1


def test_the_others_take_over_from_a_crashed_member(session: Session) -> None:
    trace = measured(session, ConsumerCrash(at=0.4, duration=0.8, consumer=1))
    assert trace.counters.events["evictions"] >= 1
    assert (trace.completions - 1).sum() <= 5


def test_a_slow_member_is_evicted_and_its_commit_refused(session: Session) -> None:
    slow = SlowConsumer(at=0.3, duration=0.6, consumer=1, work=0.25)
    trace = measured(session, slow, max_poll=0.2, max_records=2)
    events = trace.counters.events
    assert events["evictions"] >= 1
    assert events["refused commits"] >= 1
    assert (trace.completions > 1).any()
