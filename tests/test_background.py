"""What else went on during a run: ticks as the system counts them, and shares of the cores' time."""

from pathlib import Path

import pytest

from lab import Poisson, Scenario, WebSocketPush, Workload
from lab.engines.loopback import Session, background, settings
from lab.engines.loopback.background import Ticks, shares, ticks

STAT = """\
cpu  100 0 100 1000 5 0 1 60 0 0
cpu0 40 1 50 500 3 0 1 20 0 0
cpu1 60 0 50 500 2 0 0 40 0 0
intr 12345
"""


def test_ticks_are_those_of_the_cores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "stat"
    monkeypatch.setattr(background, "STAT", path)
    assert ticks({0}) is None
    path.write_text(STAT)
    assert ticks({0}) == Ticks(busy=92, stolen=20)
    assert ticks({0, 1}) == Ticks(busy=202, stolen=60)


def test_shares_leave_out_the_run_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background.os, "sysconf", lambda name: 100)
    before, after = Ticks(1000, 10), Ticks(1100, 16)
    found = shares(before, after, own=0.6, elapsed=2.0, cores=2)
    assert found == {"other": 0.1, "stolen": 0.015, "tick": 0.0025}
    assert shares(before, after, own=5.0, elapsed=2.0, cores=2) == found | {"other": 0.0}
    assert shares(None, after, 0.0, 1.0, 2) is None
    assert shares(before, after, 0.0, 1.0, 0) is None


@pytest.mark.parametrize("pinned", [True, False])
def test_sides_are_pinned_or_not(pinned: bool) -> None:
    workload = Workload(arrivals=Poisson(rate=100), duration=0.2)
    scenario = Scenario(workload=workload, strategies=[WebSocketPush()])
    with Session(pinned=pinned) as session:
        manifest = session.measure(scenario, scenario.strategies[0]).manifest
    if len(settings.cores()) > 1:
        assert all((len(cores) == 1) is pinned for cores in manifest["cores"].values())
    assert manifest["background"] is None or set(manifest["background"]) == {
        "other",
        "stolen",
        "tick",
    }
