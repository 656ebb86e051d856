"""From observations to rows: every figure against a value worked out by hand."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from builders import trace, undelivered
from observations import PUSH, observation, point, row, run
from samples import rng

from lab import IDEAL, ShortPoll, simulate
from lab.trace import Counters
from lab.validation.judge import (
    anatomy,
    costs,
    judge,
    leave_one_out,
    prediction_interval,
    utilisation,
)
from lab.validation.observed import Observation
from lab.validation.rows import PROMISED, QUANTILES, error, worst_first

LINEAR = np.arange(1, 102) / 1e3  # quantiles of 1 … 101 ms are easy to tell


def test_prediction_interval_is_students_in_the_logarithm():
    low, high = prediction_interval(np.array([1.0, 2.0, 4.0]))
    half = 4.30265 * math.log(2) * math.sqrt(4 / 3)  # t(2) at 97.5 %; the logarithms' s is ln 2
    assert (low, high) == pytest.approx((2 * math.exp(-half), 2 * math.exp(half)), rel=1e-5)


def test_prediction_interval_holds_the_next_replicate_19_times_out_of_20():
    draws = rng().lognormal(0, 0.2, (2000, 7))
    bounds = [prediction_interval(draw[:6]) for draw in draws]
    held = np.mean(
        [low <= draw[6] <= high for (low, high), draw in zip(bounds, draws, strict=True)]
    )
    assert 0.935 < held < 0.965


def test_one_replicate_has_no_interval_and_no_error_of_its_own():
    [first, *_] = judge([observation(point(), measured=[0.004])])
    assert math.isnan(first.low) and math.isnan(first.replicate_error)
    assert first.inside is None


def test_leave_one_out_compares_each_with_the_median_of_the_others():
    assert leave_one_out(np.array([1.0, 2.0, 4.0])) == pytest.approx(2 / 3)  # of 2/3, 1/5, 5/3
    assert leave_one_out(np.array([3.0, 3.0])) == 0


def test_rows_have_the_medians_over_runs_of_each_quantile():
    created = np.arange(101) / 10
    runs = [trace(created, LINEAR * factor) for factor in (1, 2, 10)]
    likely = [trace(created, LINEAR * factor) for factor in np.linspace(1, 3, 41)]
    rows = judge([Observation(point(), [0, 1, 2], runs, runs[:1], likely)])
    assert [r.quantile for r in rows] == list(QUANTILES)
    assert [r.measured for r in rows] == pytest.approx([0.102, 0.182, 0.2, 0.2018])
    assert [r.predicted for r in rows] == pytest.approx([0.051, 0.091, 0.1, 0.1009])
    assert rows[0].error == pytest.approx(-0.5)
    assert (rows[0].predicted_low, rows[0].predicted_high) == pytest.approx((0.05355, 0.15045))
    assert rows[0].replicate_error == pytest.approx(5 / 6)  # of 5/6, 7/11 and 17/3


def test_inside_is_within_the_replicates_interval():
    near = judge([observation(point(), [0.003, 0.004, 0.005], predicted=0.0042)])
    far = judge([observation(point(), [0.0039, 0.004, 0.0041], predicted=0.006)])
    assert [r.inside for r in near[:3]] == [True] * 3
    assert [r.inside for r in far[:3]] == [False] * 3


def test_only_counted_and_delivered_rows_have_latencies():
    created = np.arange(10) / 10
    latency = [0.5] * 5 + [0.01] * 4 + [0.9]
    whole = trace(created, latency, manifest={"warm_up": 0.45})
    some = undelivered(whole, 9)
    [first, *_] = judge([Observation(point(), [0], [some], [some], [])])
    assert first.measured == pytest.approx(0.01)


def test_utilisation_adds_up_the_sides_that_share_a_core():
    busy = run(0.001, source=0.6, broker=0.9, target=0.5)  # in 2 s
    assert utilisation(busy) == pytest.approx(0.55)
    assert utilisation(replace(busy, manifest={})) == pytest.approx(0.45)
    unpinned = {"cores": {"source": [0, 1], "broker": [0, 1], "target": [0, 1]}}
    assert utilisation(replace(busy, manifest=unpinned)) == pytest.approx(0.45)
    assert math.isnan(utilisation(trace([0.0])))


def test_overload_is_told_from_messages_that_come_faster_than_they_go():
    created = np.arange(100) / 1000  # 0.1 s
    late = trace(created, np.linspace(0.001, 0.1, 100))
    later = trace(created, np.linspace(0.001, 0.02, 100))
    rows = [judge([Observation(point(), [0], [t], [t], [])])[0] for t in (late, later)]
    assert [r.place.overloaded for r in rows] == [True, False]
    assert rows[0].place.full and not rows[0].promised


def test_reason_is_the_part_that_differs_most():
    created = np.arange(20.0)
    slow = trace(created, 0.006, received=created + 0.004 + 0.002)  # 2 ms more on the way
    slow = replace(slow, started=created + 0.006, done=created + 0.007)
    [first, *_] = judge([Observation(point(), [0], [slow], [trace(created, 0.006)], [])])
    assert first.reason == "on the way: predicted 1 ms, measured 3 ms"


def test_anatomy_of_the_tail_is_that_of_the_slowest_tenth():
    created = np.arange(100.0)
    latency = np.where(created < 10, 0.06, 0.006)
    parts = anatomy(trace(created, latency), tail=True)
    assert parts == pytest.approx(dict.fromkeys(parts, 0.01))
    assert anatomy(trace(created, latency), tail=False)["work"] == pytest.approx(0.001)
    assert math.isnan(anatomy(trace(), tail=True)["work"])
    whole = [trace(created, latency)]
    rows = judge([Observation(point(), [0], whole, whole, [])])
    assert [r.anatomy["work"][1] for r in rows] == pytest.approx([0.001, 0.01, 0.01, 0.01])


def test_costs_are_per_message_and_throughput_from_first_to_last():
    at = point()
    measured = [run(0.01, source=0.1, broker=0.2), run(0.01, source=0.1, broker=0.4)]
    predicted = [run(0.01, source=0.15, broker=0.3)] * 2
    [cost] = costs([Observation(at, [0, 1], measured, predicted, [])])
    assert cost.throughput.measured == pytest.approx(100)  # a hundred in 0.99 + 0.01 s
    assert cost.cpu_by_side["source"].error == pytest.approx(0.5)
    assert cost.cpu_seconds.measured == pytest.approx(0.004)
    assert cost.cpu_seconds.predicted == pytest.approx(0.0045)
    assert (cost.requests.measured, cost.requests.error) == (0.5, 0)
    assert cost.delivered.measured == 1
    assert cost.to_json()["cpu_by_side"]["broker"]["measured"] == pytest.approx(0.003)


def test_errors_of_nothing_are_unknown():
    assert error(0.0, 0.0) == 0
    assert math.isnan(error(0.1, 0.0))
    assert math.isnan(error(math.nan, 1.0))
    assert error(3.0, 2.0) == 0.5


def test_points_without_runs_keep_their_rows():
    nothing = Observation(point(), [], [], [], [])
    silent = Observation(point(rate=50), [0], [undelivered(trace([0.0]), 0)], [trace([0.0])], [])
    rows = judge([nothing, silent])
    assert len(rows) == 2 * len(QUANTILES)
    assert all(math.isnan(r.error) and r.badness == math.inf for r in rows)
    assert not any(r.promised for r in rows)
    assert costs([nothing])[0].to_json()["throughput"]["measured"] is None
    json.dumps([r.to_json() for r in rows], allow_nan=False)


def test_a_row_as_json_has_the_keys_and_seconds_that_readers_rely_on():
    fitted = [observation(point(rate=r, fitted=True), [r / 1e4] * 2) for r in (10, 1000)]
    held_out = observation(point(rate=100), [0.009, 0.011], predicted=0.012)
    data = judge([*fitted, held_out])[-4].to_json()
    json.dumps(data, allow_nan=False)
    needed = {"strategy", "setting", "quantile", "held_out", "measured", "low", "high"}
    needed |= {"predicted", "inside", "replicate_error", "error", "predicted_low", "unseen"}
    assert needed | {"predicted_high", "utilisation", "baselines"} <= data.keys()
    assert (data["strategy"], data["setting"]) == ("WebSocketPush", "100/s")
    assert (data["quantile"], data["held_out"]) == ("p50", True)
    assert data["measured"] == pytest.approx(0.010)
    assert data["error"] == pytest.approx(0.2)
    assert data["replicate_error"] == pytest.approx((2 / 11 + 2 / 9) / 2)
    assert data["baselines"]["interpolation"] == pytest.approx(0.01)
    assert data["predicted_low"] is None
    assert data["utilisation"] == pytest.approx(0.2)  # source and target: 0.4 s of 2


def test_the_worst_come_first_and_what_is_not_promised_after_them():
    rows = [
        row(0.1),
        row(-0.3),
        row(math.nan),
        row(5.0, "p99.9"),
        row(9.0, utilisation=0.9),
        row(20.0, held_out=False),
    ]
    ordered = worst_first(rows)
    assert [ordered.index(r) for r in rows] == [2, 1, 0, 4, 3, 5]


def test_a_model_that_is_right_has_no_error():
    at = point(ShortPoll(interval=0.05), rate=200)
    runs = [simulate(at.scenario, at.strategy, IDEAL, k) for k in range(3)]
    timed = [replace(t, counters=Counters(elapsed=1, cpu_seconds={"all": 0.1})) for t in runs]
    rows = judge([Observation(at, [0, 1, 2], timed, runs, runs)])
    assert [r.error for r in rows] == [0] * 4
    assert all(r.inside for r in rows)
    assert [r.quantile for r in rows if r.promised] == list(PROMISED)
    assert rows[0].measured == pytest.approx(0.025, rel=0.15)  # half an interval


def test_the_family_is_the_scenario_without_its_rate():
    places = [
        judge([observation(at)])[0].place.family
        for at in (point(PUSH, 100), point(PUSH, 700, seed=9), point(PUSH, 100, size=200))
    ]
    assert places[0] == places[1] != places[2]
