"""The session of a validation: what it runs and in which order. Nothing is measured here."""

from collections import Counter
from itertools import repeat
from typing import Self

import pytest

from lab.calibration import plan as calibration_plan
from lab.calibration import runs
from lab.compare import silent
from lab.engines import loopback
from lab.trace import Trace
from lab.validation import plan, session
from lab.validation.observed import Point


def test_every_run_is_measured_once_and_calibration_is_spread_over_the_session() -> None:
    points = [*session._calibrated(quick=False), *plan.held_out()]
    segments, repeats = calibration_plan.SEGMENTS, session.REPLICATES
    jobs = [job for jobs in session._rounds(points, segments, repeats) for job in jobs]
    wanted = Counter(
        (i, k) for i, p in enumerate(points) for k in range(segments if p.fitted else repeats)
    )
    assert Counter(jobs) == wanted
    fitted = [n for n, (i, _) in enumerate(jobs) if points[i].fitted]
    assert fitted[0] < len(jobs) / repeats
    assert fitted[-1] > len(jobs) * (1 - 1.5 / repeats)
    assert jobs != sorted(jobs)


@pytest.mark.parametrize("repeats", [1, 2, 3, 9])
def test_no_segment_is_lost_whatever_the_replicates(repeats: int) -> None:
    points = session._calibrated(quick=True)
    jobs = [job for jobs in session._rounds(points, 4, repeats) for job in jobs]
    assert sorted(jobs) == [(i, k) for i in range(len(points)) for k in range(4)]


def test_the_plan_is_held_out() -> None:
    """No held-out run is one of calibration's, and each can be told from the others."""
    points = plan.held_out()
    known = {
        (s.strategies[0].label, s.workload.arrivals.mean_rate, s.workload.size.mean)
        for s in calibration_plan.scenarios()
    }
    assert len(points) >= 40
    assert len({(p.strategy.label, p.setting) for p in points}) == len(points)
    assert len({p.scenario.workload.seed for p in points}) == len(points)
    assert {p.strategy.name for p in points} >= {s.strategy.name for s in calibration_plan.PLAN}
    for p in points:
        workload = p.scenario.workload
        run = p.strategy.label, workload.arrivals.mean_rate, workload.size.mean
        assert run not in known or p.unseen or not p.pinned
    seeds = {s.workload.seed for s in calibration_plan.scenarios()}
    assert not seeds & {p.scenario.workload.seed for p in points}


def test_disturbed_runs_are_measured_again_and_the_calmest_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A fake session: two rounds, in which one point is disturbed, the first time always."""
    points = [plan.point(plan.WebSocketPush(), 50), plan.point(plan.Webhook(), 50)]
    stolen = {"WebSocketPush": iter([0.0, 0.5, 0.3, 0.4, 0.2, 0.0]), "Webhook": repeat(0.0)}
    seen: list[tuple[str, int]] = []

    class Fake:
        def __init__(self, pinned: bool) -> None:
            self.first = True

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            return None

        def measure(self, scenario: object, strategy: object, replication: int) -> Trace:
            name = strategy.name  # type: ignore[attr-defined]
            seen.append((name, replication))
            manifest = {"background": {"stolen": next(stolen[name]), "other": 0.0}}
            return type("Fake", (), {"manifest": manifest})()

    monkeypatch.setattr(loopback, "Session", Fake)
    kept, again = session._measure(points, 0, 2, silent)
    assert again == session.REPEATS + 1
    assert [kept[job].manifest["background"]["stolen"] for job in sorted(kept)] == [0.3, 0, 0, 0]
    push = [replication for name, replication in seen if name == "WebSocketPush"]
    assert push == [0, *[0] * (1 + session.REPEATS), 1, 1]  # the first is not counted
    second = seen.index(("Webhook", 1))
    assert all(replication == 1 for _, replication in seen[second:])  # repeated within the round


def test_a_calm_run_is_kept_though_a_disturbed_one_lost_less() -> None:
    shares = iter([(0.02, 0.0), (0.0, 0.03)])

    def run(point: int, replicate: int) -> Trace:
        stolen, other = next(shares)
        manifest = {"background": {"stolen": stolen, "other": other}}
        return type("Fake", (), {"manifest": manifest})()

    kept, again = runs.calmest([[(0, 0)]], run, ["it"], 3, silent)
    assert (kept[0, 0].manifest["background"]["other"], again) == (0.03, 1)


def test_points_are_reseeded_without_other_changes() -> None:
    at = plan.point(plan.Webhook(), 100, size=8000)
    again = at.reseeded(77)
    assert again.scenario.workload.seed == 77
    assert again.reseeded(at.scenario.workload.seed) == at
    assert isinstance(again, Point)
