"""Calibration: what is fitted is what simulated runs then repeat. No real measurement here."""

import json
from pathlib import Path

import numpy as np
import pytest

from lab import (
    InvalidInput,
    LongPoll,
    Poisson,
    Scenario,
    Strategy,
    WebSocketPush,
    Workload,
    simulate,
)
from lab import calibration as cal
from lab.physics import load, reference

TRUTH = {name: value * 1.7 for name, value in cal.START.items()}


def sample(strategy: Strategy, rate: float, seed: int) -> cal.Sample:
    """Return a run "measured" by the simulation, with physics that the fit does not know."""
    workload = Workload(arrivals=Poisson(rate=rate), duration=0.5, seed=seed)
    scenario = Scenario(workload=workload, strategies=[strategy])
    trace = simulate(scenario, strategy, cal.physics_of(TRUTH))
    return cal.Sample(scenario, 0, cal.figures(trace))


@pytest.fixture(scope="module")
def samples() -> list[cal.Sample]:
    return [sample(WebSocketPush(), 300, 1), sample(LongPoll(), 200, 2)]


def test_the_right_physics_has_no_residuals(samples: list[cal.Sample]) -> None:
    for each in samples:
        residuals = cal._residuals(each, cal.physics_of(TRUTH))
        assert len(residuals) > 8
        assert np.abs(residuals).max() < 1e-12


def test_a_fit_repeats_what_was_measured(
    samples: list[cal.Sample], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cal, "MOST_STEPS", 20)
    before = cal._errors(samples, cal.physics_of(cal.START))
    physics, after = cal.fit(samples)
    assert np.mean(list(before.values())) > 0.25
    assert np.mean(list(after.values())) < 0.06
    assert physics == cal.fit(samples)[0], "the same runs give the same physics"


def test_figures_have_no_names_of_their_own() -> None:
    """Every figure is a part or a side, with a quantile or CPU time that has a weight."""
    figures = sample(WebSocketPush(), 300, 1).figures
    assert {name.split()[-1] for name in figures} == set(cal.WEIGHTS)
    assert figures["broker cpu"] > 0


def test_the_plan_is_what_it_was_measured_for() -> None:
    plan = cal.scenarios()
    assert len({s.workload.seed for s in plan}) == len(plan) == len(cal.PLAN)


def test_files_go_round_and_bad_ones_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    physics = cal.physics_of(TRUTH)
    cal.save({"schema": 1, "physics": physics.model_dump(mode="json"), "manifest": {}}, path)
    assert load(path).physics == physics
    for wrong in ("{", '{"schema": 2}', '{"schema": 1, "physics": {"noise": -1e999}}', "[]"):
        path.write_text(wrong, encoding="utf-8")
        with pytest.raises(InvalidInput, match=r"calibration\.json: "):
            load(path)


def test_the_shipped_calibration_was_measured() -> None:
    physics, manifest = reference()
    assert physics.loop.wake_up > 0
    assert manifest["date"]
    assert manifest["machine"]
    assert len(manifest["runs"]) == len(cal.PLAN) * cal.SEGMENTS
    assert set(manifest["errors"])
    json.dumps(manifest, allow_nan=False)


def test_a_connection_holds_some_bytes_for_a_peer_that_does_not_read() -> None:
    assert 2**12 < cal.socket_buffer() <= 2**26
