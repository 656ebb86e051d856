"""Which closed form applies when, and what it comes to."""

import math
from typing import Any

import pytest

from lab import oracles
from lab.forms import Case
from lab.scenario import Retention, Scenario
from lab.strategies import (
    STRATEGIES,
    HttpIngest,
    InProcessLongPoll,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
)
from lab.theory import FORMS, Prediction, theory
from lab.workload import (
    Constant,
    Exponential,
    LogNormal,
    OnOff,
    Periodic,
    Poisson,
    Replay,
    Uniform,
    Workload,
)

TRANSIT, ROUND_TRIP = 0.0003, 0.0004
EXPONENTIAL, CONSTANT = Exponential(mean=0.002), Constant(value=0.002)
POLL = ShortPoll(interval=0.1)
BOUNDED = WebSocketPush(acks=True, credits=1, buffer=3)


def predict(
    strategy: Strategy,
    rate: float = 300,
    round_trip: float = ROUND_TRIP,
    retention: Retention | None = None,
    **workload: Any,
) -> Prediction | None:
    given = {"arrivals": Poisson(rate=rate), "duration": 60, **workload}
    scenario = Scenario(
        workload=Workload(**given), strategies=[strategy], retention=retention or Retention()
    )
    return theory(scenario, strategy, TRANSIT, round_trip)


def known(strategy: Strategy, *args: Any, **settings: Any) -> Prediction:
    prediction = predict(strategy, *args, **settings)
    assert prediction is not None
    return prediction


def test_every_strategy_has_a_form() -> None:
    assert set(FORMS) == set(STRATEGIES)
    for kind in STRATEGIES:
        prediction = known(kind(), rate=100)
        assert list(prediction.latency) == ["mean", "p50", "p90", "p99", "max"]
        assert prediction.loss == 0


@pytest.mark.parametrize(
    "strategy",
    [WebSocketPush(), ServerSentEvents(), WebSocketPush(acks=True), Webhook(concurrency=8)],
    ids=lambda s: s.label,
)
def test_push_with_exponential_work_is_mm1(strategy: Strategy) -> None:
    prediction = known(strategy, work=EXPONENTIAL)
    assert prediction.form.startswith("M/M/1 + transit")
    assert prediction.latency["mean"] == pytest.approx(TRANSIT + 1 / (500 - 300))
    assert prediction.latency["p99"] == pytest.approx(TRANSIT + math.log(100) / 200)
    assert math.isnan(prediction.latency["max"])


def test_push_with_constant_work_is_md1() -> None:
    prediction = known(WebSocketPush(), work=CONSTANT)
    assert prediction.form.startswith("M/D/1 (work)")
    assert prediction.latency["mean"] == pytest.approx(TRANSIT + 0.002 + 0.6 * 0.002 / 0.8)
    assert prediction.latency["p90"] == pytest.approx(
        TRANSIT + 0.002 + oracles.md1_wait_quantile(300, 0.002, 0.9)
    )


@pytest.mark.parametrize("work", [LogNormal(mean=0.002), Uniform(low=0.001, high=0.003)])
def test_push_with_other_work_is_mg1(work: Any) -> None:
    prediction = known(WebSocketPush(), work=work)
    assert prediction.form.startswith("M/G/1 (work)")
    expected = TRANSIT + oracles.mg1_sojourn_mean(300, 0.002, work.second_moment)
    assert prediction.latency["mean"] == pytest.approx(expected)
    assert math.isnan(prediction.latency["p50"])


@pytest.mark.parametrize(
    "strategy",
    [Webhook(), HttpIngest(), WebSocketPush(acks=True, credits=1)],
    ids=lambda s: s.label,
)
def test_one_at_a_time_holds_the_server_for_the_round_trip(strategy: Strategy) -> None:
    service = 0.002 + ROUND_TRIP
    constant = known(strategy, work=CONSTANT)
    assert constant.form.startswith("M/D/1 (work + round trip)")
    expected = TRANSIT + 0.002 + oracles.md1_wait_mean(300, service)
    assert constant.latency["mean"] == pytest.approx(expected)
    exponential = known(strategy, work=EXPONENTIAL)
    assert exponential.form.startswith("M/G/1 (work + round trip)")
    squared = 2 * 0.002**2 + 2 * 0.002 * ROUND_TRIP + ROUND_TRIP**2
    expected = TRANSIT + 0.002 + oracles.mg1_wait_mean(300, service, squared)
    assert exponential.latency["mean"] == pytest.approx(expected)
    assert predict(strategy, rate=450, work=EXPONENTIAL) is None  # work alone would be stable
    assert known(WebSocketPush(), rate=450, work=EXPONENTIAL)


def test_without_work_a_push_takes_the_transit() -> None:
    for strategy in (WebSocketPush(), ServerSentEvents(), Webhook(concurrency=8)):
        assert set(known(strategy).latency.values()) == {TRANSIT}
    assert known(Webhook()).latency["max"] != TRANSIT  # one at a time can still queue


def test_windows_must_be_wide_or_one() -> None:
    assert predict(Webhook(concurrency=2), round_trip=0.001, work=EXPONENTIAL) is None
    assert predict(WebSocketPush(acks=True, credits=2), round_trip=0.004) is None
    assert known(WebSocketPush(acks=True, credits=30), round_trip=0.004)


def test_periodic_messages_never_wait() -> None:
    periodic: dict[str, Any] = {"arrivals": Periodic(rate=300), "work": CONSTANT}
    for strategy in (WebSocketPush(), Webhook(), WebSocketPush(acks=True), LongPoll()):
        prediction = known(strategy, **periodic)
        assert prediction.form.startswith("D/D/1")
        assert set(prediction.latency.values()) == {TRANSIT + 0.002}
    assert predict(Webhook(), round_trip=0.002, **periodic) is None
    assert predict(WebSocketPush(), arrivals=Periodic(rate=600), work=CONSTANT) is None
    assert predict(WebSocketPush(), arrivals=Periodic(rate=300), work=EXPONENTIAL) is None


def test_a_window_and_a_buffer_are_mm1k() -> None:
    for rate in (300.0, 500.0, 900.0):  # at any load
        prediction = known(BOUNDED, rate=rate, round_trip=0, work=EXPONENTIAL)
        assert prediction.form.startswith("M/M/1/4 ")
        assert prediction.loss == pytest.approx(oracles.mm1k_loss(rate / 500, 4))
        expected = oracles.mm1k_sojourn_mean(rate, 500, 4) + TRANSIT
        assert prediction.latency["mean"] == pytest.approx(expected)
    wide = WebSocketPush(acks=True, credits=40, buffer=3, overflow="drop_oldest")
    prediction = known(wide, rate=900, round_trip=0.0001, work=EXPONENTIAL)
    assert prediction.loss == pytest.approx(oracles.mm1k_loss(1.8, 43))
    assert math.isnan(prediction.latency["mean"])


def test_a_bounded_webhook_sends_fewer_requests() -> None:
    prediction = known(Webhook(buffer=3), rate=600, work=CONSTANT)
    assert prediction.form.startswith("M/D/1/4 (work + round trip)")
    assert prediction.loss > 0.2
    assert prediction.requests_per_message == pytest.approx(1 - prediction.loss)


def test_a_buffer_behind_sockets_has_no_form() -> None:
    assert predict(WebSocketPush(buffer=10), work=EXPONENTIAL) is None
    assert predict(BOUNDED, work=LogNormal(mean=0.002)) is None


def test_short_poll_is_uniform() -> None:
    cycle = 0.1 + ROUND_TRIP
    prediction = known(POLL)
    assert prediction.latency["mean"] == pytest.approx(TRANSIT + cycle / 2)
    assert prediction.latency["p90"] == pytest.approx(TRANSIT + 0.9 * cycle)
    assert prediction.latency["max"] == pytest.approx(TRANSIT + cycle)
    assert prediction.requests_per_message == pytest.approx(1 / (300 * cycle))
    rare = known(POLL, rate=2)
    assert rare.empty_replies == pytest.approx(math.exp(-2 * cycle))
    assert predict(ShortPoll(interval=0.1, max_records=20)) is None


def test_short_poll_of_periodic_messages_needs_phases_that_spread() -> None:
    slow: dict[str, Any] = {"arrivals": Periodic(rate=7), "duration": 300}
    prediction = known(POLL, **slow)
    assert "no rhythm" in prediction.form
    assert prediction.empty_replies == pytest.approx(1 - 7 * 0.1004)
    assert predict(POLL, round_trip=0, arrivals=Periodic(rate=10), duration=300) is None
    assert predict(POLL, arrivals=Periodic(rate=7), duration=2) is None  # too few to say


def test_short_poll_with_work_is_a_gated_vacation() -> None:
    pause = 0.1 + ROUND_TRIP
    prediction = known(POLL, work=EXPONENTIAL)
    wait = oracles.gated_vacation_wait_mean(300, 0.002, 2 * 0.002**2, pause, pause**2)
    assert prediction.latency["mean"] == pytest.approx(TRANSIT + wait + 0.002)
    assert math.isnan(prediction.latency["p50"])
    assert prediction.requests_per_message == pytest.approx(0.4 / (300 * pause))


def test_poll_then_pull_costs_a_round_trip_more() -> None:
    costs = oracles.poll_then_pull(300, 0.1 + ROUND_TRIP, ROUND_TRIP)
    prediction = known(PollThenPull())
    assert prediction.latency["mean"] == pytest.approx(TRANSIT + costs.wait)
    assert prediction.latency["max"] == pytest.approx(TRANSIT + 0.1 + 2 * ROUND_TRIP)
    assert predict(PollThenPull(), work=EXPONENTIAL) is None


@pytest.mark.parametrize("kind", [LongPoll, InProcessLongPoll])
def test_long_poll_re_arms(kind: type[LongPoll]) -> None:
    prediction = known(kind(max_wait=0.01))
    costs = oracles.long_poll(300, ROUND_TRIP, 0.01)
    assert prediction.latency["mean"] == pytest.approx(TRANSIT + costs.wait)
    assert prediction.requests_per_message == pytest.approx(costs.requests_per_message)
    assert prediction.empty_replies == pytest.approx(costs.empty_share)


def test_long_poll_with_work_is_mg1_and_the_gap() -> None:
    plain = known(WebSocketPush(), work=EXPONENTIAL)
    no_gap = known(LongPoll(max_wait=100.0), round_trip=0, work=EXPONENTIAL)
    assert no_gap.latency["mean"] == pytest.approx(plain.latency["mean"])
    gap = known(LongPoll(), work=EXPONENTIAL)
    assert gap.latency["mean"] > plain.latency["mean"] + 0.6 * ROUND_TRIP / 0.4
    turned_round = known(Webhook(batch_size=1000), work=EXPONENTIAL)
    assert turned_round.latency["mean"] == pytest.approx(gap.latency["mean"])


@pytest.mark.parametrize(
    "work",
    [Constant(value=0.002), Uniform(low=0.001, high=0.003), LogNormal(mean=0.002, sigma=0.3)],
)
def test_transform_of_the_work_has_its_moments(work: Any) -> None:
    workload = Workload(arrivals=Poisson(rate=300), work=work)
    case = Case(workload, Scenario(workload=workload, strategies=[POLL]), 0, 0)
    for s in (1e-3, 1.0, 30.0):
        series = 1 - s * work.mean + s**2 * work.second_moment / 2
        assert case.transform(s) == pytest.approx(series, abs=(s * 0.003) ** 3 + 1e-12)


def test_batches_linger_or_fill() -> None:
    lingering = known(WebSocketPush(batch_size=50, linger=0.02))
    assert lingering.latency["mean"] == pytest.approx(TRANSIT + oracles.linger_wait_mean(300, 0.02))
    assert lingering.latency["max"] == TRANSIT + 0.02
    full = known(Webhook(batch_size=5, linger=1.0))
    assert full.latency["mean"] == pytest.approx(TRANSIT + 4 / 600)
    assert full.requests_per_message == pytest.approx(1 / 5)
    assert known(LongPoll(min_records=5)).latency["mean"] == pytest.approx(TRANSIT + 4 / 600)
    assert predict(WebSocketPush(batch_size=6, linger=0.02)) is None  # now full, now not
    assert predict(WebSocketPush(batch_size=50, linger=0.02), work=EXPONENTIAL) is None
    assert predict(WebSocketPush(batch_size=50, linger=0.02, acks=True)) is None


@pytest.mark.parametrize("strategy", [kind() for kind in FORMS], ids=lambda s: s.name)
def test_no_form_for_bursts_files_and_overload(strategy: Strategy) -> None:
    on = Constant(value=1)
    assert predict(strategy, arrivals=OnOff(rate=10, on=on, off=on)) is None
    assert predict(strategy, arrivals=Replay(path="no-such-file.csv")) is None
    assert predict(strategy, rate=500, work=EXPONENTIAL) is None
    assert predict(strategy, rate=900, work=CONSTANT) is None


def test_no_form_if_time_outs_repeat_deliveries() -> None:
    assert known(Webhook(timeout=0.1), work=EXPONENTIAL)
    assert predict(Webhook(timeout=0.01), work=EXPONENTIAL) is None


def test_no_form_if_retention_bites() -> None:
    assert predict(POLL, retention=Retention(age=0.2)) is None
    assert predict(ShortPoll(max_records=10), rate=30, retention=Retention(count=10)) is None
    assert predict(POLL, retention=Retention(bytes=3000)) is None
    assert known(POLL, retention=Retention(age=5.0, bytes=100_000))


def test_no_form_for_a_strategy_it_does_not_know() -> None:
    class Mine(ShortPoll):
        pass

    assert predict(Mine()) is None


def test_short_runs_are_said_to_be_short() -> None:
    busy: dict[str, Any] = {"rate": 490, "work": EXPONENTIAL}
    assert "short for a steady state" in known(WebSocketPush(), duration=5, **busy).form
    assert "short" not in known(WebSocketPush(), duration=600, **busy).form
