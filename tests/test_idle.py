"""Idle cost: known exactly in simulation, and the same requests and bytes on loopback."""

import math

import pytest

from lab import IDEAL, LongPoll, ServerSentEvents, ShortPoll, Webhook, WebSocketPush
from lab.engines.simulation.loop import SETTLING
from lab.idle import idle_cost
from lab.physics import SLEEPS, Cost, LinkPhysics, LoopCosts, Physics, StreamCosts, reference
from lab.strategies import Strategy


@pytest.mark.parametrize("strategy", [WebSocketPush(), ServerSentEvents(), Webhook()])
def test_push_that_has_nothing_to_send_costs_nothing_in_simulation(strategy: Strategy):
    cost = idle_cost(strategy)
    assert [cost.cpu.mean, cost.wake_ups.mean, cost.requests.mean, cost.bytes.mean] == [0] * 4
    assert math.isnan(cost.memory.mean)


def test_polls_cost_a_request_an_interval():
    cost = idle_cost(ShortPoll(interval=0.1), 10, costs=IDEAL)
    assert cost.requests.mean == pytest.approx(10)
    assert cost.cpu.mean == 0  # where nothing costs anything
    assert idle_cost(ShortPoll(interval=0.2), 10).requests.mean == pytest.approx(5, rel=0.03)
    held = idle_cost(LongPoll(max_wait=2), 20)
    assert held.requests.mean == pytest.approx(0.5, rel=0.05)
    assert held.cpu.mean > 0


def test_costs_are_for_one_connection():
    one, many = (idle_cost(ShortPoll(), 5, connections=n, replications=1) for n in (1, 4))
    assert many.requests.mean == pytest.approx(one.requests.mean, rel=0.05)
    assert many.bytes.mean == pytest.approx(one.bytes.mean, rel=0.05)


def test_a_connection_for_each_poll_is_dearer():
    steady = reference().physics.steady()
    kept, new = (idle_cost(ShortPoll(keep_alive=k), 5, costs=steady) for k in (True, False))
    assert new.cpu.low > kept.cpu.high


def test_pings_cost_frames_and_wake_ups_and_only_on_websockets():
    pinged = idle_cost(WebSocketPush(), 10, ping_interval=2)
    assert pinged.bytes.mean == pytest.approx(8)  # a masked frame of 10 bytes, an answer of 6
    assert pinged.cpu.mean > reference().physics.stream.receive.fixed
    assert pinged.strategy == "WebSocketPush, ping every 2 s"
    assert idle_cost(LongPoll(), 2, ping_interval=2).strategy == "LongPoll"


@pytest.mark.parametrize(("interval", "seconds", "cold"), [(1.0, 100, 10), (0.002, 2, 1)])
def test_only_a_long_sleep_makes_a_ping_dear(interval: float, seconds: float, cold: int):
    """Each end is as cold as its sleep has made it, and so is what reads the pong in a warm loop.

    Little of the cold is felt in going to sleep.
    """
    cooled = tuple(float(sleep >= 0.1) for sleep in SLEEPS)
    loop = LoopCosts(iteration=10e-6, sleep=30e-6, cold=9.0, cooled=cooled)
    frame = Cost(fixed=1e-3, once=5e-6)  # nobody encodes or decodes a control frame
    stream = StreamCosts(send=frame, receive=frame)
    physics = Physics(loop=loop, stream=stream, link=LinkPhysics(delay=1e-4))
    pinged = idle_cost(WebSocketPush(), seconds, ping_interval=interval, costs=physics)
    tail = 30 * (1 + SETTLING * (cold - 1))
    ask, answer, hear = (10 + 5) * cold + tail, (10 + 5 + 5) * cold + tail, 10 + 5 * cold + 30
    assert pinged.cpu.mean * interval == pytest.approx((ask + answer + hear) * 1e-6, rel=0.01)
    assert pinged.wake_ups.mean * interval == pytest.approx(3, rel=0.01)


def test_plain_data_has_no_nan():
    data = idle_cost(LongPoll(), 2, replications=1).to_json()
    assert data["memory"] == {"mean": None, "low": None, "high": None}
    assert data["requests"]["mean"] > 0


def test_loopback_counts_what_simulation_counts_and_weighs_connections():
    """A busy machine takes its time, so that both counts, which grow by the clock, are loose."""
    quick = {"seconds": 1.2, "engine": "loopback", "replications": 1}
    poll = idle_cost(ShortPoll(interval=0.1), **quick, memory_with=0)
    assert poll.requests.mean == pytest.approx(10, rel=0.5)
    simulated = idle_cost(ShortPoll(interval=0.1), 1.2, replications=1)
    each = simulated.bytes.mean / simulated.requests.mean
    one = each / quick["seconds"]  # that is under way when the counting begins or ends
    assert poll.bytes.mean == pytest.approx(each * poll.requests.mean, rel=0.05, abs=1.05 * one)
    assert math.isnan(poll.memory.mean)
    assert 0 < poll.cpu.mean < 0.5
    assert poll.wake_ups.mean == pytest.approx(simulated.wake_ups.mean, rel=0.5)
    pinged = idle_cost(WebSocketPush(), **quick, ping_interval=0.1, memory_with=30)
    assert pinged.bytes.mean == pytest.approx(160, rel=0.5)
    assert pinged.requests.mean == 0
    assert 5_000 < pinged.memory.mean < 1_000_000
