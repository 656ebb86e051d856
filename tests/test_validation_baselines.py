"""The baselines: the textbook's tandem against closed forms, interpolation against power laws."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from observations import PUSH, observation, point, run
from samples import poisson_times, rng

from lab import (
    Constant,
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
from lab.oracles import lindley
from lab.oracles.queues import md1_wait_quantile
from lab.validation.baselines import baselines, interpolated, on_line, outside
from lab.validation.families import relatives
from lab.validation.judge import judge
from lab.validation.observed import Observation, Point
from lab.validation.tandem import Tandem, batched, departures, polled, tandem


def fitted(
    strategy: Strategy, rate: float = 100.0, latency: float = 0.01, **knobs: Any
) -> Observation:
    return observation(point(strategy, rate, fitted=True, **knobs), [latency] * 2)


def latencies(model: Tandem, at: Point) -> np.ndarray:
    return model.latencies(at, 0)


def test_departures_are_those_of_lindleys_recursion():
    arrivals = poisson_times(10, 2000)
    services = rng(2).exponential(0.09, 2000)
    expected = arrivals + lindley(arrivals, services) + services
    assert departures(arrivals, services) == pytest.approx(expected, abs=1e-9)


def test_a_batch_leaves_when_full_or_when_its_linger_is_over():
    arrivals = np.array([0.0, 0.1, 0.2, 0.3, 5.0, 9.0, 9.1, 9.2])
    expected = [0.2, 0.2, 0.2, 1.3, 6.0, 9.2, 9.2, 9.2]
    assert batched(arrivals, 3, 1.0) == pytest.approx(expected)
    assert batched(arrivals, 3, 0.0) is arrivals


def test_a_poll_is_the_next_one_on_its_grid():
    assert polled(np.array([0.0, 0.3, 0.5, 0.51]), 0.5, 0.2) == pytest.approx([0.1, 0.6, 0.6, 0.6])
    waits = polled(np.linspace(0, 50, 20_000), 0.5, 0.7) - np.linspace(0, 50, 20_000)
    assert waits.min() >= 0
    assert np.quantile(waits, [0.1, 0.5, 0.9]) == pytest.approx([0.05, 0.25, 0.45], abs=0.001)


def test_a_tandem_of_one_server_waits_as_md1_does():
    at = point(rate=500, duration=100.0)
    times = latencies(Tandem({"broker": 0.001}), at)
    for share in (0.6, 0.9, 0.99):
        expected = 0.001 + md1_wait_quantile(500, 0.001, share)
        assert np.quantile(times, share) == pytest.approx(expected, rel=0.05)


def test_servers_follow_one_another_and_the_work_comes_last():
    model = Tandem({"source": 0.002, "broker": 0.01, "target": 0.004}, delay=0.1)
    at = point(rate=100, periodic=True, duration=0.05, work=Constant(value=0.015))
    # five messages 10 ms apart: the broker is just fast enough, each work makes 5 ms more of queue
    expected = 0.116 + 0.015 + 0.005 * np.arange(5)
    assert latencies(model, at) == pytest.approx(expected)


def test_every_consumer_takes_the_brokers_time_and_has_a_worker_of_its_own():
    model = Tandem({"source": 0.001, "broker": 0.002, "target": 0.001})
    at = point(rate=10, periodic=True, duration=0.1, consumers=3, work=Constant(value=0.5))
    assert latencies(model, at) == pytest.approx([0.504, 0.506, 0.508])
    pair = point(rate=100, periodic=True, duration=0.02, consumers=2)
    # both copies of a message pass the broker before the next; the first consumer's rows come first
    assert latencies(model, pair) == pytest.approx([0.004, 0.004, 0.006, 0.006])


def test_the_sources_time_is_for_a_message_and_not_for_each_consumer():
    at = point(fitted=True, consumers=2)
    whole = run(0.01, source=0.1, broker=0.1)  # a hundred rows
    twice = replace(whole, manifest=whole.manifest | {"consumers": 2})
    model = tandem(at, [Observation(at, [0], [twice], [], [])])
    assert model.services == pytest.approx({"source": 0.002, "broker": 0.001})


def test_the_delay_makes_a_lone_message_as_slow_as_measured():
    family = [
        fitted(PUSH, 10, 0.005),
        fitted(PUSH, 100, 0.009),
        fitted(PUSH, 1000, 0.02),
    ]
    family[1] = replace(family[1], measured=[run(0.009, source=0.05, broker=0.1, target=0.02)])
    model = tandem(point(rate=300), family)
    assert model.services == pytest.approx({"source": 5e-4, "broker": 1e-3, "target": 2e-4})
    assert model.delay == pytest.approx(0.005 - 0.0017)
    assert np.median(latencies(model, family[0].point)) == pytest.approx(0.005)


def test_the_delay_of_polls_leaves_out_the_wait_for_the_next():
    at = point(ShortPoll(interval=0.05), 200, fitted=True, duration=20.0)
    middle = observation(at, [0.030], source=1e-4, broker=1e-4, target=1e-4)
    model = tandem(point(ShortPoll(interval=0.2), 200), [middle])
    assert model.delay == pytest.approx(0.030 - 0.025, abs=0.001)
    slower = latencies(model, point(ShortPoll(interval=0.2), 200, duration=20.0))
    assert np.median(slower) == pytest.approx(0.1 + 0.005, abs=0.004)


def test_a_point_without_a_broker_starts_where_the_broker_of_its_relative_does():
    cpu = {"source": 0.1, "broker": 0.02, "target": 0.03}
    webhook = observation(point(Webhook(), fitted=True), [0.006], **cpu)
    model = tandem(
        point(HttpIngest()), [webhook]
    )  # the message is 2 of 6 ms on its way to the broker
    assert "source" not in model.services
    lone = latencies(model, point(HttpIngest(), 1.0, periodic=True, duration=5.0))
    assert lone == pytest.approx([0.004] * 5)


@pytest.mark.parametrize(
    ("strategy", "size", "expected"),
    [
        (WebSocketPush(acks=True), 100, "WebSocketPush"),
        (
            WebSocketPush(batch_size=5, linger=0.01),
            100,
            "WebSocketPush(batch_size=20, linger=0.02)",
        ),
        (ServerSentEvents(), 100, "WebSocketPush"),
        (HttpIngest(), 100, "Webhook"),
        (Webhook(keep_alive=False), 100, "Webhook(keep_alive=False)"),
        (PollThenPull(interval=0.1), 100, "ShortPoll(interval=0.05)"),
        (LongPoll(max_records=1), 100, "LongPoll"),
    ],
)
def test_the_nearest_family_shares_strategy_or_wire(strategy: Strategy, size: int, expected: str):
    plan = [
        fitted(WebSocketPush()),
        fitted(WebSocketPush(batch_size=20, linger=0.02)),
        fitted(Webhook(keep_alive=False)),
        fitted(Webhook()),
        fitted(ShortPoll(interval=0.05)),
        fitted(LongPoll()),
    ]
    found = relatives(point(strategy, size=size), plan)
    assert [o.point.strategy.label for o in found] == [expected]
    assert relatives(point(InProcessLongPoll()), plan) == []


class OtherPush(WebSocketPush):
    """A strategy that has all knobs of another."""


def test_a_family_of_the_same_strategy_is_nearer_than_one_with_the_same_knobs():
    plan = [fitted(OtherPush(queue=5)), fitted(PUSH)]
    assert relatives(point(WebSocketPush(queue=5)), plan) == [plan[1]]


def test_the_nearest_family_has_the_nearest_size_and_its_rates_in_order():
    plan = [fitted(PUSH, 900), fitted(PUSH, 200, size=20_000), fitted(PUSH, 30), fitted(PUSH, 300)]
    assert relatives(point(PUSH, size=8000), plan) == [plan[1]]
    assert relatives(point(PUSH, size=200), plan) == [plan[2], plan[3], plan[0]]


def test_interpolation_is_exact_for_a_power_law_within_and_beyond():
    curve = [(rate, 0.5 * rate**0.7) for rate in (10, 100, 5000)]
    for rate in (1, 10, 37, 100, 4000, 5000, 1e5):
        assert on_line(curve, rate) == pytest.approx(0.5 * rate**0.7)
    bent = [(1.0, 1.0), (10.0, 10.0), (100.0, 1000.0)]
    assert on_line(bent, 1000.0) == pytest.approx(1e5)  # goes on like the last piece
    assert on_line(bent, 0.1) == pytest.approx(0.1)


def test_interpolation_needs_two_loads_of_the_same_family():
    plan = [fitted(PUSH, 100, 0.01), fitted(PUSH, 400, 0.02), fitted(Webhook(), 100)]
    found = baselines(observation(point(PUSH, 200)), plan)
    assert found["interpolation"]["p99"] == pytest.approx(0.02 / 2**0.5)
    for other in (point(Webhook(), 200), point(PUSH, 200, size=8000), point(LongPoll(), 200)):
        assert "interpolation" not in baselines(observation(other), plan)


def test_interpolation_is_exact_for_power_laws_of_rate_and_size():
    def law(rate: float, size: float) -> float:
        return 0.5 * rate**0.7 * size**0.3

    runs = ((100, (10, 60, 300)), (5000, (200,)), (20_000, (30, 90)))
    curves = {size: {rate: law(rate, size) for rate in rates} for size, rates in runs}
    for rate in (5, 100, 1000):
        for size in (50, 100, 800, 20_000, 1e5):
            assert interpolated(curves, rate, size) == pytest.approx(law(rate, size))
    one_size = {100: curves[100]}
    assert interpolated(one_size, 50, 100) == pytest.approx(law(50, 100))
    assert interpolated(one_size, 50, 200) is None
    assert interpolated({5000: curves[5000]}, 50, 5000) is None
    assert interpolated({}, 50, 100) is None


def test_interpolation_goes_on_from_another_size():
    plan = [fitted(PUSH, 100, 0.01), fitted(PUSH, 400, 0.02), fitted(PUSH, 100, 0.04, size=10_000)]
    found = baselines(observation(point(PUSH, 400, size=1000)), plan)
    assert found["interpolation"]["p50"] == pytest.approx(0.04)
    assert outside(point(PUSH, 400, size=1000), plan) is False
    assert outside(point(PUSH, 400, size=20_000), plan) is True


def test_outside_is_beyond_the_calibrated_rates():
    plan = [fitted(PUSH, 100), fitted(PUSH, 400)]
    rates = (50, 100, 250, 400, 401)
    assert [outside(point(PUSH, r), plan) for r in rates] == [True, False, False, False, True]
    assert outside(point(ServerSentEvents(), 250), plan) is None


def test_baselines_know_calibrations_runs_only():
    plan = [fitted(PUSH, 100, 0.01), fitted(PUSH, 400, 0.02)]
    held_out = observation(point(PUSH, 200), [0.5, 0.6])
    alone = judge([*plan, held_out])[-4:]
    others = [observation(point(PUSH, rate), [0.9] * 2) for rate in (150, 250)]
    assert [r.baselines for r in judge([*plan, *others, held_out])[-4:]] == [
        r.baselines for r in alone
    ]
    assert alone[0].baselines.keys() == {"tandem", "interpolation"}
    assert judge(plan)[0].baselines == {}


def test_baselines_that_cannot_be_made_are_left_out():
    unmeasured = Observation(point(PUSH, fitted=True), [], [], [], [])
    assert baselines(observation(point(PUSH)), [unmeasured]) == {}
    assert baselines(observation(point(InProcessLongPoll())), [fitted(PUSH)]) == {}
    assert baselines(Observation(point(PUSH)), [fitted(PUSH)]) == {}
