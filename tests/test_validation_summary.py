"""The summary and the goals: every figure follows from the rows that are passed in."""

import json
import math
from typing import Any

import pytest
from observations import observation, point, row

from lab import Webhook, WebSocketPush
from lab.validation.document import WORST, find
from lab.validation.goals import Goal, goals
from lab.validation.rows import Cost, Pair, Row
from lab.validation.summary import Group, score, summarise


def by_name(groups: list[Group]) -> dict[str, Group]:
    return {group.name: group for group in groups}


def goal(text: str, rows: list[Row], costs: list[Cost] | None = None) -> Goal:
    [found] = [g for g in goals(rows, costs or []) if g.text == text]
    return found


def cost(throughput: float, cpu: float, requests: float = 0.0, **place: Any) -> Cost:
    """Return the costs of a point with those errors."""
    pairs = [Pair(1 + error, 1.0) for error in (throughput, cpu)]
    rest = {"cpu_by_side": {}, "requests": Pair(1 + requests, 1.0), "delivered": Pair(1.0, 1.0)}
    return Cost(row(**place).place, pairs[0], pairs[1], **rest)


def test_score_has_medians_and_shares():
    rows = [row(e, noise=n) for e, n in ((0.05, 0.02), (-0.1, 0.04), (0.16, 0.06), (0.3, 0.08))]
    found = score(rows)
    assert found.error == pytest.approx(0.13)
    assert found.noise == pytest.approx(0.05)
    assert found.ratio == pytest.approx(2.6)
    assert found.near == 0.5  # within 15 % at p50
    assert found.inside == 0.75  # within a factor of 1.2
    assert (found.points, found.unknown) == (4, 0)


def test_an_unknown_error_counts_as_a_miss_and_is_told():
    found = score([row(0.01), row(math.nan)])
    assert found.near == found.inside == 0.5
    assert found.unknown == 1
    assert found.error == pytest.approx(0.01)
    assert score([row(0.01), row(0.01, width=math.nan)]).inside == 0.5


def test_a_rival_stands_beside_the_model_over_the_same_points():
    rows = [
        row(0.02, baselines={"tandem": -0.5, "interpolation": 0.04}),
        row(0.04, baselines={"tandem": 0.3}),
        row(0.9),
    ]
    rivals = score(rows).rivals
    assert vars(rivals["tandem"]) == pytest.approx({"points": 2, "error": 0.4, "model": 0.03})
    interpolation = vars(rivals["interpolation"])
    assert interpolation == pytest.approx({"points": 1, "error": 0.04, "model": 0.02})


def test_groups_by_utilisation_strategy_and_novelty():
    rows = [
        row(0.01, utilisation=0.6),
        row(0.02, utilisation=0.61),
        row(0.03, utilisation=0.85, strategy="ShortPoll(interval=0.2)", unseen=True),
        row(0.5, utilisation=0.86),
        row(0.6, overloaded=True),
        row(0.7, held_out=False),
    ]
    found = by_name(summarise(rows))
    points = {name: group.scores["p50"].points for name, group in found.items()}
    assert points == {
        "all": 3,
        "utilisation up to 60 %": 1,
        "utilisation 60 to 85 %": 2,
        "busier or overloaded: no promise": 2,
        "settings never calibrated": 1,
        "short polls": 1,
        "ShortPoll": 1,
        "WebSocketPush": 2,
        "calibration's own runs": 1,
    }
    assert found["all"].scores["p50"].error == pytest.approx(0.02)
    assert found["busier or overloaded: no promise"].scores["p50"].error == pytest.approx(0.55)


def test_quantiles_are_never_mixed_in_a_score():
    found = by_name(summarise([row(0.1), row(0.2, "p90"), row(0.3, "p99"), row(0.4, "p99.9")]))
    errors = {name: s.error for name, s in found["all"].scores.items()}
    assert errors == pytest.approx({"p50": 0.1, "p90": 0.2, "p99": 0.3, "p99.9": 0.4})
    assert math.isnan(found["all"].scores["p99.9"].near)


@pytest.mark.parametrize(
    ("text", "quantile", "place", "limit"),
    [
        ("utilisation up to 60 %: median error at p50", "p50", {}, 0.06),
        ("utilisation up to 60 %: median error at p90", "p90", {}, 0.08),
        ("utilisation up to 60 %: median error at p99", "p99", {}, 0.13),
        ("utilisation 60 to 85 %: median error at p50", "p50", {"utilisation": 0.7}, 0.12),
        ("utilisation 60 to 85 %: median error at p90", "p90", {"utilisation": 0.7}, 0.18),
        ("utilisation 60 to 85 %: median error at p99", "p99", {"utilisation": 0.7}, 0.30),
        ("short polls: median error at p99", "p99", {"strategy": "ShortPoll"}, 0.05),
        ("settings never calibrated: median error at p50", "p50", {"unseen": True}, 0.12),
        ("settings never calibrated: median error at p99", "p99", {"unseen": True}, 0.25),
    ],
)
def test_goals_for_the_median_error(text: str, quantile: str, place: dict[str, Any], limit: float):
    good, bad = (
        goal(text, [row(size, quantile, **place), row(-size, quantile, **place)])
        for size in (limit - 0.001, limit + 0.001)
    )
    assert (good.reached, bad.reached, good.points) == (True, False, 2)
    assert bad.figure == pytest.approx(limit + 0.001)
    assert goal(text, [row(0.01, quantile, held_out=False, **place)]).reached is None
    assert goal(text, [row(0.01, quantile, **(place | {"utilisation": 0.9}))]).reached is None


def test_goal_of_nine_points_in_ten_near():
    text = "utilisation up to 60 %: points within 30 % at p99"
    rows = [row(0.29, "p99")] * 9
    assert goal(text, [*rows, row(0.31, "p99")]).reached is True
    assert goal(text, [*rows, row(0.31, "p99"), row(-0.31, "p99")]).reached is False


def test_goals_against_the_noise_of_each_strategy():
    rows = [row(0.049, noise=0.04), row(0.06, "p90", noise=0.04, strategy="Webhook(batch_size=5)")]
    ratio = "{}: median error, as a multiple of the replicates' own"
    assert goal(ratio.format("WebSocketPush"), rows).reached is True
    webhook = goal(ratio.format("Webhook"), rows)
    assert (webhook.reached, webhook.figure) == (False, pytest.approx(1.5))
    inside = "{}: points inside the replicates' interval"
    rows += [row(0.25, strategy="Webhook")]  # beyond the factor of 1.2
    assert goal(inside.format("Webhook"), rows).figure == 0.5
    assert goal(inside.format("all"), rows).figure == pytest.approx(2 / 3)


def test_goals_against_the_baselines():
    rows = [row(0.1, baselines={"tandem": 0.25, "interpolation": 0.05}, outside=False)]
    rows += [row(0.1, baselines={"tandem": 0.19, "interpolation": -0.4}, outside=True)]
    tandem = goal("median error at p50, as a multiple of the textbook tandem's", rows)
    assert (tandem.figure, tandem.reached) == (pytest.approx(0.1 / 0.22), True)
    text = "median error at p50 outside the calibrated range, as a multiple of interpolation's"
    beyond = goal(text, rows)
    assert (beyond.figure, beyond.points, beyond.reached) == (pytest.approx(0.25), 1, True)
    assert goal(text, rows[:1]).reached is None


def test_goals_for_costs_take_the_largest_error():
    costs = [cost(0.3, 0.1), cost(-0.2, -0.12, overloaded=True)]
    costs += [cost(9, 9, 9, held_out=False), cost(9, 9, 9, pinned=False)]  # which are not promised
    throughput = goal("throughput when overloaded: largest error", [], costs)
    assert (throughput.figure, throughput.points) == (pytest.approx(0.2), 1)
    assert throughput.reached is False
    assert goal("CPU seconds per message: largest error", [], costs).reached is True
    unknown = [*costs, cost(0, 0, math.nan)]
    assert goal("requests per message: largest error", [], costs).reached is True
    assert goal("requests per message: largest error", [], unknown).reached is False


def test_goals_of_the_protocol_count_points_and_replicates():
    rows = [row(rate=float(i), replicates=6 + (i > 0)) for i in range(40)]
    rows += [row(quantile="p90"), row(held_out=False, replicates=1)]
    points = goal("held-out points", rows)
    assert (points.figure, points.reached) == (40, True)
    fewest = goal("replicates of the point that has fewest", rows)
    assert (fewest.figure, fewest.reached) == (6, True)
    assert goal("held-out points", rows[1:]).reached is False


def test_findings_hold_everything_worst_first():
    observations = [
        observation(point(WebSocketPush(), rate), [0.0039, 0.0041], 0.004 * factor)
        for rate, factor in ((100, 1.0), (200, 1.5), (300, 0.9))
    ]
    observations.append(observation(point(Webhook(), fitted=True), [0.004] * 2, 0.004))
    found = find(observations, {"machine": "a", "date": "b", "session": "c", "secret": "d"})
    data = json.loads(json.dumps(found.to_json(), allow_nan=False))
    assert list(data) == [
        *("machine", "date", "session", "points"),
        *("throughput", "summary", "goals", "worst"),
    ]
    assert len(data["points"]) == 16
    assert [p["setting"] for p in data["points"]][:9:3] == ["200/s", "300/s", "100/s"]
    assert [p["held_out"] for p in data["points"]] == [True] * 12 + [False] * 4
    assert len(data["throughput"]) == 4
    assert len(data["worst"]) == min(9, WORST)
    anatomy = data["worst"][0]["anatomy"]["work"]
    assert anatomy == pytest.approx({"predicted": 0.001, "measured": 0.004 / 6})
    named = {g["text"]: g for g in data["goals"]}
    near = named["utilisation up to 60 %: points within 15 % at p50"]
    assert (near["figure"], near["reached"]) == (pytest.approx(2 / 3), False)
