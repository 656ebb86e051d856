"""Prediction: closed forms where nothing is uncertain, wider intervals, and where promises end."""

import json
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Shell

from lab import (
    IDEAL,
    Constant,
    Forecast,
    LongPoll,
    OnOff,
    Periodic,
    Poisson,
    Scenario,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
    Workload,
    machine,
    predict,
)
from lab.engines import common
from lab.faults import ConsumerCrash
from lab.physics import Calibrated, Cost, LinkPhysics, LoopCosts, Physics, StreamCosts
from lab.prediction import limits
from lab.prediction import show as tables
from lab.prediction.forecast import Estimate, Outlook, Resource, Saturation, estimate
from lab.prediction.predict import MOST, shortened

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def short_overloads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lab.prediction.saturation.MESSAGES", 1_000)


def scenario(*strategies: Strategy, rate: float = 100, work: float = 0, **changes: Any) -> Scenario:
    workload = Workload(arrivals=Periodic(rate=rate), work=Constant(value=work), duration=0.5)
    return Scenario(
        workload=workload.model_copy(update=changes),
        strategies=list(strategies or [WebSocketPush()]),
    )


def outlook(one: Scenario, costs: Calibrated | Physics = IDEAL) -> Outlook:
    return predict(one, costs).outlooks[0]


def linked(delay: float) -> Physics:
    return IDEAL.model_copy(update={"link": LinkPhysics(delay=delay)})


def slower(times: float) -> Physics:
    """Return physics with streams and an event loop that cost CPU time, and noise."""
    cost = Cost(fixed=2e-4 * times)
    return Physics(
        loop=LoopCosts(iteration=1e-4 * times),
        stream=StreamCosts(send=cost, receive=cost),
        cores=3,
        pins=IDEAL.pins,
        noise=0.2,
    )


@pytest.mark.parametrize("strategy", [WebSocketPush(), LongPoll()], ids=lambda s: s.label)
def test_work_of_a_millisecond_limits_to_a_thousand_messages(strategy: Strategy) -> None:
    found = outlook(scenario(strategy, rate=250, work=0.001))
    assert found.saturation.resource.kind == "work"
    assert found.saturation.rate.value == pytest.approx(1000, rel=0.03)
    assert found.saturation.utilisation.value == pytest.approx(0.25, rel=0.03)
    assert found.latency["p50"] == pytest.approx((0.001, 0.001, 0.001))


@pytest.mark.parametrize("concurrency", [1, 3])
def test_one_request_at_a_time_waits_for_two_delays(concurrency: int) -> None:
    found = outlook(scenario(Webhook(concurrency=concurrency), rate=20), linked(0.005))
    assert found.saturation.resource.kind == "waiting"
    assert ("one request" in found.saturation.resource.name) == (concurrency == 1)
    assert found.saturation.rate.value == pytest.approx(concurrency / 0.01, rel=0.03)
    assert found.saturation.utilisation.value == pytest.approx(0.2 / concurrency, rel=0.03)


@pytest.mark.parametrize(("interval", "most"), [(0.1, 5), (2, 4000)])
def test_a_poll_is_limited_by_how_much_it_may_fetch_how_often(interval: float, most: int) -> None:
    found = outlook(scenario(ShortPoll(interval=interval, max_records=most), rate=10))
    name = f"waiting: {most:,} records every {interval:g} s at most"
    assert found.saturation.resource == Resource("waiting", name)
    assert found.saturation.rate.value == pytest.approx(most / interval, rel=0.05)


def test_a_long_way_delays_and_does_not_limit() -> None:
    found = outlook(scenario(work=0.002), linked(1.0))
    assert found.latency["p50"].value == pytest.approx(2.002)
    assert found.saturation.rate.value == pytest.approx(500, rel=0.05)


def test_every_consumer_works_on_every_message() -> None:
    found = outlook(scenario(rate=10, work=0.01, consumers=4))
    assert found.saturation.rate.value == pytest.approx(100, rel=0.05)


def test_the_busiest_core_limits_and_has_the_names_of_its_sides() -> None:
    apart = slower(1.0)
    together = apart.model_copy(update={"pins": {"source": 0, "target": 0, "broker": 1}})
    broker = outlook(scenario(), apart).saturation
    both = outlook(scenario(), together).saturation
    assert broker.resource == Resource("core", "CPU of broker")
    assert 1 / 6e-4 < broker.rate.value < 1.1 / 4e-4  # it reads and sends, in one or two turns
    assert both.resource == Resource("core", "CPU of source and target")
    assert 0.03 < broker.utilisation.value < 0.08


def test_what_a_fault_loses_does_not_count_as_too_much_load() -> None:
    calm = scenario(rate=250, work=0.001)
    crashed = calm.model_copy(update={"faults": [ConsumerCrash(at=0.1, duration=0.2)]})
    assert outlook(crashed).saturation.rate.value == outlook(calm).saturation.rate.value
    assert any("what goes wrong" in text for text in predict(crashed, limits=False).caveats)


def test_what_costs_nothing_is_not_limited() -> None:
    found = outlook(scenario())
    assert found.saturation.resource.kind is None
    assert math.isnan(found.saturation.rate.value)
    assert not found.caveats


def test_intervals_widen_with_the_ensemble() -> None:
    narrow, wide = (
        outlook(scenario(), Calibrated(slower(1), {}, tuple(slower(f) for f in factors)))
        for factors in ((0.99, 1.0, 1.01), (0.5, 1.0, 1.5))
    )
    assert narrow.latency["p50"].value == wide.latency["p50"].value > 0
    for name in ("p50", "p90", "p99"):
        assert width(wide.latency[name]) > 2 * width(narrow.latency[name]) > 0
    assert width(wide.saturation.rate) > 2 * width(narrow.saturation.rate) > 0
    for side in ("source", "broker", "target"):
        assert width(wide.cpu_by_side[side]) > 2 * width(narrow.cpu_by_side[side]) > 0


def test_intervals_hold_the_drift_of_the_machine_and_values_do_not() -> None:
    steady, drifting = slower(1), slower(1).model_copy(update={"drift": 0.3})
    still, moved = (outlook(scenario(), costs) for costs in (steady, drifting))
    assert moved.latency["p50"].value == still.latency["p50"].value
    assert moved.saturation.rate.value == still.saturation.rate.value
    assert width(moved.latency["p50"]) > 3 * width(still.latency["p50"]) > 0
    assert width(moved.saturation.rate) > width(still.saturation.rate)


def width(estimated: Estimate) -> float:
    assert estimated.low <= estimated.value <= estimated.high
    return estimated.high - estimated.low


def test_an_estimate_is_a_median_and_holds_it() -> None:
    assert estimate([7, 1, 2], [10, 20]) == pytest.approx((2, 2, 19.75))
    assert estimate([3, math.nan, 1], []).value == 2
    assert math.isnan(estimate([math.nan], [1]).value)
    many = estimate([0], list(range(-500, 501)))
    assert many == pytest.approx((0, -475, 475))


def test_long_scenarios_are_simulated_in_part() -> None:
    long = scenario(rate=100, duration=1000, warm_up=100)
    short = shortened(long, WebSocketPush())
    assert short.workload.duration == pytest.approx(MOST / 100)
    assert short.workload.warm_up == pytest.approx(MOST / 1000)
    assert shortened(scenario(), WebSocketPush()) == scenario()
    polls = shortened(scenario(rate=1, duration=1000), ShortPoll(interval=0.01))
    assert polls.workload.duration == pytest.approx(MOST / 100)


def measured(**changes: Any) -> Calibrated:
    """Return a calibration made here and now, for 50 to 500 messages/s of 100 bytes."""
    manifest = {
        "machine": machine.name(),
        "versions": common.versions(),
        "date": NOW.isoformat(),
        "runs": [{"strategy": "LongPoll", "rate": r, "size": 100} for r in (50, 500)],
    }
    return Calibrated(IDEAL, manifest | changes, (IDEAL,))


def about(one: Scenario, costs: Calibrated) -> list[str]:
    *others, last = limits.of_scenario(one, costs, NOW)
    assert "p99.9" in last
    return others


def test_nothing_is_said_of_a_fresh_calibration_of_this_machine() -> None:
    assert about(scenario(), measured()) == []


@pytest.mark.parametrize(
    ("one", "costs", "text"),
    [
        (scenario(), measured(machine="a mainframe"), "another machine (a mainframe; this is"),
        (scenario(), measured(versions={}), "other versions: python unknown, here 3."),
        (scenario(), measured(date=None), "not known when"),
        (scenario(), measured(date=(NOW - timedelta(hours=3)).isoformat()), "3 hours old"),
        (scenario(), measured(date="2026-11-01"), "days old"),
        (scenario(), Calibrated(IDEAL, {}, (IDEAL,)), "not measured"),
        (scenario(), measured()._replace(ensemble=()), "noise of simulated runs only"),
        (scenario(rate=600), measured(), "600 messages/s are outside the 50 to 500"),
        (scenario(size=Constant(value=8000)), measured(), "8,000 bytes are outside the 100 to 100"),
        (scenario(work=0.02), measured(), "unstable: each consumer needs 2.00 s"),
        (scenario().model_copy(update={"processes": "one"}), measured(), "share one process"),
        (scenario().model_copy(update={"speed_up": 60}), measured(), "60 times as fast"),
    ],
)
def test_where_the_promise_ends(one: Scenario, costs: Calibrated, text: str) -> None:
    (said,) = about(one, costs)
    assert text in said


def saturated(rate: float, used: float) -> Saturation:
    return Saturation(Resource("work", "work"), Estimate(rate), Estimate(used))


def test_no_promise_near_saturation() -> None:
    bursts = scenario(arrivals=OnOff(rate=200, on=1, off=1))
    assert limits.of_strategy(scenario(), saturated(120, 0.84)) == []
    assert "above 85%" in limits.of_strategy(scenario(), saturated(110, 0.86))[0]
    assert "backlog grows" in limits.of_strategy(scenario(), saturated(90, 0.99))[0]
    assert "bursts" in limits.of_strategy(bursts, saturated(150, 0.6))[0]
    assert limits.of_strategy(bursts, saturated(250, 0.6)) == []


def test_tables_and_caveats_name_each_strategy() -> None:
    both = [
        saturated(100, 0.9),
        Saturation(Resource(None, "nothing found"), Estimate(), Estimate()),
    ]
    rows = [
        Outlook(
            name,
            {q: Estimate(0.001, 0.0005, 0.002) for q in ("p50", "p90", "p99", "p99.9")},
            Estimate(1, 1, 1),
            Estimate(300),
            {"source": Estimate(1e-4)},
            found,
            [own],
        )
        for name, found, own in zip(("One", "Other"), both, ("alone", "too"), strict=True)
    ]
    said = tables.caveats(Forecast(scenario(), rows, {}, ["for all"]))
    assert said == ["One: alone", "Other: too", "for all"]
    for width_ in (80, 140):
        for table in (tables.latency_table, tables.cost_table):
            assert table(Forecast(scenario(), rows), width_).row_count == 2


SMALL = """
question = "Which of two?"

[workload]
duration = 0.3
arrivals = { kind = "poisson", rate = 100 }
size = 60
work = 0.002

[[strategies]]
kind = "WebSocketPush"

[[strategies]]
kind = "LongPoll"
"""


@pytest.fixture
def small(tmp_path: Path) -> str:
    (tmp_path / "small.toml").write_text(SMALL, encoding="utf-8")
    return "small.toml"


def test_the_command_prints_json_with_seconds(shell: Shell, small: str) -> None:
    one = shell("predict", small, "--json", "--seed", "3", "--set", "strategies=[{kind='Webhook'}]")
    assert (one.status, one.err) == (0, "")
    data = json.loads(one.out)
    assert data["scenario"] == "small"
    (push,) = data["strategies"]
    assert push["strategy"] == "Webhook"
    assert 0.002 < push["latency"]["p50"]["low"] <= push["latency"]["p50"]["value"] < 1
    assert push["saturation"]["limited_by"]["kind"] in ("work", "waiting")
    assert 50 < push["saturation"]["messages_per_second"]["value"] < 500
    assert set(push["cpu_seconds_per_message"]) == {"source", "broker", "target"}
    assert any("p99.9" in text for text in data["caveats"])


def test_the_command_prints_tables(shell: Shell, small: str) -> None:
    answer = shell("predict", small, "--quick")
    assert (answer.status, answer.err) == (0, "")
    for text in ("LongPoll", "p99", "saturates at", "limited by", "Where the promise ends:"):
        assert text in answer.out
    assert "60 bytes are outside the 100 to" in answer.out


WRONG = {
    "predict nothing_like_it": "no such scenario",
    "predict --calibration missing.json": "missing.json: not a file that can be read",
    "predict --set strategy.intervall=1": "did you mean 'interval'?",
    "predict --seed -1": "--seed",
    "predict --engine theory": "--engine",
    "predict one two": "two",
}


@pytest.mark.parametrize("line", WRONG)
def test_wrong_input_gets_one_line(line: str, shell: Shell) -> None:
    answer = shell(*line.split())
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.startswith("pushpull: ") and answer.err.count("\n") == 1
    assert WRONG[line] in answer.err


def test_ctrl_c(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lab.cli.runs.predict", interrupt)
    answer = shell("predict")
    assert (answer.status, answer.err) == (130, "pushpull: interrupted; nothing was written\n")


def test_the_same_forecast_for_the_same_seed() -> None:
    one = scenario(arrivals=Poisson(rate=80), duration=0.2)
    costs = Calibrated(slower(1), {}, (slower(1.2), slower(0.8)))
    assert predict(one, costs).to_json() == predict(one, costs).to_json()
