"""Lag and recovery, on traces made by hand: ten messages a second, one stall."""

import math

import numpy as np
import pytest
from builders import trace, undelivered

from lab.faults import ConsumerCrash
from lab.outcomes.recovery import lag, recovery
from lab.trace import Fate, Floats, Trace

CREATED = np.arange(100) / 10.0
USUAL = 0.05  # seconds that a message takes when nothing is wrong
FAULT = ConsumerCrash(at=3.01, duration=2.0)


def finished(created: Floats, every: float = 0.05) -> Floats:
    """Return when each message is done: none during the fault, and then one `every` seconds."""
    done, free = created + USUAL, FAULT.until
    for i in np.flatnonzero(done > FAULT.at):
        free = max(done[i], free + every)
        done[i] = free
    return done


def delivered(done: Floats, consumers: int = 1, late: int = 0) -> Trace:
    """Return a trace in which consumer `late` is done at `done`, and the others as usual."""
    rows = [done if c == late else CREATED + USUAL for c in range(consumers)]
    return trace(
        np.tile(CREATED, consumers),
        latency=0.001,
        message=np.tile(np.arange(len(CREATED)), consumers),
        consumer=np.repeat(np.arange(consumers), len(CREATED)),
        done=np.concatenate(rows),
        manifest={"messages": len(CREATED), "consumers": consumers},
    )


def test_lag_counts_what_is_created_and_not_done() -> None:
    times, after = lag(trace([0.0, 1.0, 2.0], done=[0.5, 2.5, 3.0]), 0)
    assert list(times) == [0.0, 0.5, 1.0, 2.0, 2.5, 3.0]
    assert list(after) == [1, 0, 1, 2, 1, 0]


def test_lag_is_of_one_consumer() -> None:
    both = delivered(finished(CREATED), consumers=2)
    assert lag(both, 0).after.max() > 10
    assert lag(both, 1).after.max() == 1


def test_what_was_lost_does_not_lag_and_what_is_in_flight_does() -> None:
    whole = trace(CREATED, latency=USUAL)
    lost = undelivered(whole, 5, 6, fate=Fate.LOST)
    flying = undelivered(whole, 98, 99, fate=Fate.IN_FLIGHT)
    assert lag(lost, 0).after[-1] == 0 and len(lag(lost, 0).times) == 2 * 98
    assert lag(flying, 0).after[-1] == 2


def test_recovery_is_from_the_end_of_the_fault_until_the_lag_is_as_before() -> None:
    done = finished(CREATED)
    found = recovery(delivered(done), FAULT)
    behind = int(((CREATED <= FAULT.until) & (done > FAULT.until)).sum())
    assert found.peak == pytest.approx(behind, abs=1)
    # it works off one message every 0.05 s, while one comes every 0.1 s
    assert found.seconds == pytest.approx(behind * 0.1, abs=0.2)
    assert found.rate == pytest.approx(20, rel=0.1)
    assert math.isnan(found.harm)


def test_who_never_catches_up_has_not_recovered() -> None:
    done = finished(CREATED, every=0.2)
    found = recovery(delivered(np.where(done > 9.9, np.nan, done)), FAULT)
    stuck = delivered(done)
    columns = stuck.columns() | {"done": np.where(done > 9.9, np.nan, done)}
    columns["fate"] = np.where(done > 9.9, Fate.IN_FLIGHT, Fate.DELIVERED).astype(np.int8)
    found = recovery(Trace(counters=stuck.counters, manifest=stuck.manifest, **columns), FAULT)
    assert found.seconds == math.inf
    assert math.isnan(found.rate)


def test_usual_is_what_it_was_before_the_fault() -> None:
    done = finished(CREATED) + 0.2  # so that two or three messages are always under way
    found = recovery(delivered(done), FAULT)
    assert 1 < found.seconds < 4
    assert lag(delivered(done), 0).after[30:].min() >= 0 < found.peak


def test_who_never_fell_behind_recovered_at_once() -> None:
    found = recovery(trace(CREATED, latency=USUAL), FAULT)
    assert found.seconds == 0 and found.peak == 1


def test_harm_is_what_others_suffer_meanwhile() -> None:
    both = delivered(finished(CREATED), consumers=2)
    assert recovery(both, FAULT, consumer=0).harm == pytest.approx(1)
    columns = both.columns()
    hurt = (both.consumer == 1) & (both.created >= FAULT.at)
    columns["done"] = np.where(hurt, both.done + 2 * USUAL, both.done)
    worse = Trace(counters=both.counters, manifest=both.manifest, **columns)
    assert recovery(worse, FAULT, consumer=0).harm == pytest.approx(3)
    columns["done"] = np.where(both.created < FAULT.until, columns["done"], both.done)
    over = Trace(counters=both.counters, manifest=both.manifest, **columns)
    assert recovery(over, FAULT, consumer=0).harm == pytest.approx(1)  # it ended with the fault


def test_a_fault_at_the_very_beginning_has_nothing_usual_before_it() -> None:
    first = ConsumerCrash(at=0, duration=1.0)
    done = np.maximum(CREATED, 1.0) + USUAL
    found = recovery(trace(CREATED, latency=0.001, done=done), first)
    assert 0 < found.seconds < 0.2 and found.peak >= 10


def test_an_empty_trace_recovers() -> None:
    found = recovery(trace(), FAULT)
    assert (found.seconds, found.peak) == (0, 0)
