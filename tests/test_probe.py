"""The probe of the machine: it finds what is planted, ends in time, and leaves nothing behind."""

import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest

from lab.calibration import probe as probing
from lab.calibration.probe import IDLE, SHARES, SLEEPS, Machine, probe
from lab.engines.common import MeasurementError
from lab.engines.loopback import settings

SECONDS = 0.4
PATIENCE = 60.0  # seconds; what takes longer hangs


class Probed:
    """One probe: what it found, what it said meanwhile, how long it took."""

    def __init__(self) -> None:
        self.said: list[tuple[str, int, int]] = []
        begun = time.monotonic()
        self.machine = probe(SECONDS, lambda *words: self.said.append(words))
        self.took = time.monotonic() - begun


@pytest.fixture(scope="module")
def probed() -> Probed:
    return Probed()


@pytest.fixture
def found(probed: Probed) -> Machine:
    return probed.machine


def test_every_core_timer_and_idle_time_is_probed(found: Machine) -> None:
    cores: list[int | None] = [*settings.cores()] or [None]
    assert found.cores == (len(settings.cores()) or os.cpu_count())
    assert [s.core for s in found.stalls] == [s.core for s in found.speeds] == cores
    asked = {(timer, asked) for timer in ("event loop", "process") for asked in SLEEPS}
    assert {(late.timer, late.asked) for late in found.timers} == asked
    same = [None] if cores == [None] else [True] if len(cores) == 1 else [False, True]
    assert [(w.same_core, w.idle) for w in found.wake_ups] == [(s, i) for s in same for i in IDLE]


def test_what_is_found_makes_sense(found: Machine) -> None:
    late = [(late.median, late.p99) for late in found.timers]
    late += [(late.median, late.p99) for late in found.wake_ups]
    assert all(0 < median <= p99 < PATIENCE for median, p99 in late)
    for stalls in found.stalls:
        assert 0 <= stalls.lost < 1
        assert (stalls.rate == 0) == (stalls.median is None) == (stalls.longest is None)
    for speed in found.speeds:
        assert speed.median > 0 and speed.spread >= 0


def test_it_is_plain_data(found: Machine) -> None:
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert data["name"] == found.name
    assert data["stalls"][0]["rate"] == found.stalls[0].rate
    assert len(data["wake_ups"]) == len(found.wake_ups)


def test_it_says_what_it_does_in_bounded_time_and_leaves_nothing_running(probed: Probed) -> None:
    steps = len(SHARES)
    assert probed.said == [
        *((f"probing {what}", done, steps) for done, what in enumerate(SHARES)),
        ("probed", steps, steps),
    ]
    assert probed.took < PATIENCE
    assert not multiprocessing.active_children()


def test_where_processes_cannot_be_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = settings.cores()
    monkeypatch.setattr(settings, "cores", list)
    found = probe(SECONDS / 4)
    assert found.cores == os.cpu_count()
    assert [s.core for s in found.stalls] == [s.core for s in found.speeds] == [None]
    assert {w.same_core for w in found.wake_ups} == {None}
    monkeypatch.undo()
    assert settings.cores() == mine, "this process itself is never pinned"


def crash(*arguments: Any) -> None:
    os._exit(1)


def hang(*arguments: Any) -> None:
    time.sleep(PATIENCE)


@pytest.mark.parametrize(
    ("fault", "patience", "text"), [(crash, PATIENCE, "process ended"), (hang, 0.1, "no answer")]
)
def test_a_process_that_fails(
    fault: Callable[..., None], patience: float, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probing, "_prober", fault)
    monkeypatch.setattr(probing, "START", patience)
    with pytest.raises(MeasurementError, match=text):
        probe(SECONDS)
    assert not multiprocessing.active_children()


def clock(gaps: dict[int, float], step: float = 1e-5) -> Callable[[], float]:
    """Return a clock that goes on by `step` each time it is read, by `gaps` at those readings."""

    def ticks() -> Iterator[float]:
        now = 1000.0
        for reading in count():
            now += gaps.get(reading, step)
            yield now

    return ticks().__next__


def test_planted_stalls_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", clock({10: 0.002, 50: 0.004, 70: 0.009, 90: 9e-5}))
    stalls = probing._stalls(3, 0.1)
    assert stalls.core == 3
    assert (stalls.median, stalls.longest) == pytest.approx((0.004, 0.009))
    assert stalls.rate == pytest.approx(3 / 0.1, rel=0.01)
    assert stalls.lost == pytest.approx(0.015 / 0.1, rel=0.01)
    monkeypatch.setattr(time, "monotonic", clock({}))
    quiet = probing._stalls(None, 0.01)
    assert (quiet.rate, quiet.median, quiet.longest, quiet.lost) == (0, None, None, 0)


def test_speed_counts_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "perf_counter", clock({}, step=0.001))
    steady = probing._speed(0, 0.5)
    assert steady.median == pytest.approx(probing.TURNS / 0.001, rel=0.05)
    assert steady.spread == pytest.approx(0, abs=1e-6)
    monkeypatch.setattr(time, "perf_counter", clock({20: 0.2}, step=0.001))
    assert probing._speed(0, 0.5).spread > 0.1


def test_a_late_timer_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    sleep = time.sleep
    monkeypatch.setattr(time, "sleep", lambda asked: sleep(asked + 0.03))
    loop = settings.new_event_loop()
    select = loop._selector.select  # type: ignore[attr-defined]
    monkeypatch.setattr(
        loop._selector,  # type: ignore[attr-defined]
        "select",
        lambda timeout=None: select(timeout and timeout + 0.02),
    )
    late = loop.run_until_complete(probing._late_in_loop(0.001, 3))
    loop.close()
    assert len(late) == 3 and min(late) > 0.019
    assert probing._late(0.001) > 0.029
    assert probing._middle_and_tail(range(101)) == (50, 99)
