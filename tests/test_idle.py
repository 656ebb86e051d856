"""Idle cost: known exactly in simulation, and the same requests and bytes on loopback."""

import math

import pytest

from lab import IDEAL, LongPoll, ServerSentEvents, ShortPoll, Webhook, WebSocketPush
from lab.idle import idle_cost
from lab.physics import reference
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


def test_plain_data_has_no_nan():
    data = idle_cost(LongPoll(), 2, replications=1).to_json()
    assert data["memory"] == {"mean": None, "low": None, "high": None}
    assert data["requests"]["mean"] > 0


def test_loopback_counts_what_simulation_counts_and_weighs_connections():
    quick = {"seconds": 0.6, "engine": "loopback", "replications": 1}
    poll = idle_cost(ShortPoll(interval=0.1), **quick, memory_with=0)
    assert poll.requests.mean == pytest.approx(10, rel=0.35)
    assert math.isnan(poll.memory.mean)
    pinged = idle_cost(WebSocketPush(), **quick, ping_interval=0.1, memory_with=30)
    assert pinged.bytes.mean == pytest.approx(160, rel=0.4)
    assert pinged.requests.mean == 0
    assert 5_000 < pinged.memory.mean < 1_000_000
