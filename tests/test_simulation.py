"""The simulation itself: the same seed gives the same trace, and physics does what it says."""

import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from lab import (
    STRATEGIES,
    Exponential,
    HttpIngest,
    InProcessLongPoll,
    LongPoll,
    OnOff,
    Periodic,
    Poisson,
    PollThenPull,
    Scenario,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
    Workload,
    check,
    simulate,
)
from lab.engines.simulation import loop
from lab.engines.simulation.cold import FOOTPRINT, SECOND, SOON, Cold, cooled_by_octave
from lab.engines.simulation.core import LAG
from lab.engines.simulation.engine import Simulation
from lab.messages import Records, Status
from lab.physics import (
    IDEAL,
    SLEEPS,
    CallCosts,
    ConnectionCosts,
    Cost,
    ExchangeCosts,
    LinkPhysics,
    LoopCosts,
    Physics,
    Stalls,
    StreamCosts,
    reference,
)
from lab.trace import Fate, Trace
from lab.wire.formats import http_size

COSTS = reference().physics
BUSY = Workload(
    arrivals=OnOff(rate=3000, on=0.05, off=0.1), work=Exponential(mean=0.0002), duration=1, seed=3
)
BURSTS = Workload(arrivals=OnOff(rate=1e6, on=1e-5, off=0.1), duration=0.25, seed=3)
EVERY = [
    *(kind() for kind in STRATEGIES),
    WebSocketPush(acks=True, credits=5),
    WebSocketPush(batch_size=8, linger=0.01),
    Webhook(concurrency=4, batch_size=3),
    Webhook(keep_alive=False),
    HttpIngest(method="PUT", batch_size=10),
    ShortPoll(interval=0.02, destructive=True),
    LongPoll(min_records=5, max_wait=0.02, max_records=7),
]


def scenario(workload: Workload, *strategies: Strategy, **settings: object) -> Scenario:
    return Scenario(workload=workload, strategies=list(strategies), **settings)


def digest(trace: Trace) -> str:
    """Return a hash of everything in the trace."""
    parts = [column.tobytes() for column in trace.columns().values()]
    counters = json.dumps(asdict(trace.counters), sort_keys=True)
    return hashlib.sha256(b"".join(parts) + counters.encode()).hexdigest()


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: s.label)
@pytest.mark.parametrize("processes", ["separate", "one"])
def test_every_message_is_delivered_once_and_in_order(strategy: Strategy, processes: str) -> None:
    workload = BUSY.model_copy(update={"consumers": 2})
    trace = simulate(scenario(workload, strategy, processes=processes), strategy, COSTS)
    rows = 1 if strategy.shared else 2
    assert len(trace) == rows * trace.manifest["messages"] > 250 * rows
    assert (trace.fate == Fate.DELIVERED).all()
    assert (trace.attempts == 1).all()
    assert check(trace) == []


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: s.label)
def test_looking_ahead_changes_nothing(strategy: Strategy, monkeypatch: pytest.MonkeyPatch) -> None:
    apart = COSTS.model_copy(update={"cores": 3, "pins": {"source": 0, "broker": 1, "target": 2}})
    swinging = COSTS.model_copy(update={"swing": 0.3, "spell": 1e-3})
    for costs in (COSTS, apart, swinging):
        monkeypatch.setattr(loop, "AHEAD", 256)
        far = simulate(scenario(BUSY, strategy), strategy, costs)
        monkeypatch.setattr(loop, "AHEAD", 0)
        near = simulate(scenario(BUSY, strategy), strategy, costs)
        for name, column in far.columns().items():
            np.testing.assert_array_equal(column, near.columns()[name], err_msg=name)


SAVE = """
import sys
from dataclasses import asdict
from pathlib import Path
from lab import LongPoll, Poisson, Scenario, Webhook, Workload, simulate
from lab.physics import reference
scenario = Scenario(
    workload=Workload(arrivals=Poisson(rate=500), duration=0.5, seed=9),
    strategies=[LongPoll(), Webhook()],
)
for strategy in scenario.strategies:
    trace = simulate(scenario, strategy, reference().physics)
    trace.save(Path(sys.argv[1]) / f"{strategy.name}.npz")
"""


def test_same_seed_same_file_in_another_process_with_another_hash_seed(tmp_path: Path) -> None:
    files = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", SAVE, str(folder)], check=True, env=environment)
        files.append({path.name: path.read_bytes() for path in sorted(folder.iterdir())})
    assert files[0] == files[1]
    assert len(files[0]) == 2


def test_the_order_in_which_loops_were_built_does_not_matter() -> None:
    strategy = LongPoll()
    setting = scenario(Workload(arrivals=Periodic(rate=1000), duration=0.2), strategy)

    class Reversed(Simulation):
        def _event_loops(self) -> dict[str, loop.EventLoop]:
            made = super()._event_loops()
            events = [each.event for each in made.values()]
            for event in reversed(events):  # SimPy numbers what it schedules; take numbers first
                self.env.schedule(self.env.event(), delay=10**12)
                assert event.callbacks
            return dict(reversed(made.items()))

    assert digest(Reversed(setting, strategy, IDEAL, 0).run()) == digest(
        Simulation(setting, strategy, IDEAL, 0).run()
    )


def test_other_replications_and_seeds_are_other_runs() -> None:
    strategy = WebSocketPush()
    setting = scenario(Workload(arrivals=Poisson(rate=300), duration=1), strategy)
    other = setting.model_copy(update={"workload": setting.workload.model_copy(update={"seed": 2})})
    runs = [simulate(setting, strategy, COSTS, r) for r in (0, 1)] + [
        simulate(other, strategy, COSTS)
    ]
    assert len({digest(run) for run in runs}) == 3


def test_costs_and_delays_add_up_on_an_empty_system() -> None:
    """One message crosses two streams: every cost and delay is met once, in its own part."""
    costs = Physics(
        loop=LoopCosts(wake_up=1e-5, iteration=2e-5, timer=3e-5),
        stream=StreamCosts(send=Cost(fixed=4e-5, record=1e-6), receive=Cost(fixed=5e-5, byte=1e-7)),
        link=LinkPhysics(delay=1e-4),
    )
    strategy = WebSocketPush()
    setting = scenario(Workload(arrivals=Periodic(rate=1), duration=1), strategy)
    parts = {name: part[0] for name, part in simulate(setting, strategy, costs).parts().items()}
    published, delivered = 120, 121  # 100 bytes and the frame around them
    assert parts["schedule delay"] == pytest.approx(3e-5 + 1e-5 + 2e-5, abs=2e-9)
    hop = 4.1e-5 + 1e-4 + 1e-5 + 2e-5 + 5e-5
    assert parts["to the broker"] == pytest.approx(hop + published * 1e-7, abs=1e-6)
    assert parts["broker residence"] == 0
    assert parts["on the way"] == pytest.approx(hop + delivered * 1e-7, abs=2e-6)
    assert parts["work"] == 0


def evenly(
    costs: Physics,
    rate: float,
    count: int,
    strategy: Strategy = WebSocketPush(),  # noqa: B008
) -> Trace:
    """Return `count` messages delivered `rate` a second, evenly spaced."""
    workload = Workload(arrivals=Periodic(rate=rate), duration=count / rate)
    return simulate(scenario(workload, strategy), strategy, costs)


def lone(costs: Physics, rate: float) -> float:
    """Return the median latency of messages pushed `rate` a second, evenly spaced."""
    return float(np.median(evenly(costs, rate, 30).latency))


def test_a_sleeping_loop_wakes_slower_the_longer_it_slept() -> None:
    """Part of the cold is back after 67 ms, all after 100; three loops wake up for each message."""
    work = Cost(fixed=1e-5)
    costs = Physics(
        loop=LoopCosts(wake_up=1e-4, drowsy=2.0, cooled=(*[0] * 6, 1)),
        stream=StreamCosts(send=work, receive=work),
    )
    assert lone(costs, 1000) == pytest.approx(4e-5 + 3 * 1e-4, rel=0.02)
    back = math.log(0.067 / SLEEPS[-2]) / math.log(SLEEPS[-1] / SLEEPS[-2])
    expected = 4e-5 + 3 * (1 + 2 * back) * 1e-4
    assert lone(costs, 1 / 0.067) == pytest.approx(expected, rel=0.02)
    assert lone(costs, 0.2) == pytest.approx(4e-5 + 3 * 3e-4, rel=0.02)


def test_between_two_sleeps_the_cold_goes_with_the_logarithm() -> None:
    cooled = cooled_by_octave(LoopCosts(cooled=(0, 0, 0.2, 0.4, 0.4, 0.4, 1)))
    times = 2.0 ** np.arange(-1, 64) / SECOND
    middle = np.interp(math.log(math.sqrt(SLEEPS[2] * SLEEPS[3])), np.log(times), cooled)
    assert middle == pytest.approx(0.3, abs=0.01)
    assert cooled[0] == 0.0
    assert cooled[-1] == 1.0
    assert cooled == sorted(cooled)


def test_the_sleeps_of_the_curve_can_be_others() -> None:
    cooled = cooled_by_octave(LoopCosts(sleeps=(2**20 / SECOND, 2**21 / SECOND), cooled=(0.3, 0.7)))
    assert cooled[18:24] == pytest.approx([0, 0, 0.15, 0.3, 0.7, 0.7])


def test_code_that_did_not_run_since_the_loop_slept_costs_more() -> None:
    work = 4e-4
    costs = Physics(
        loop=LoopCosts(cold=3.0, cooled=(0, 0, *[1] * 5)),
        stream=StreamCosts(receive=Cost(fixed=work)),
        cores=3,
        pins=IDEAL.pins,
    )
    assert lone(costs, 1) == pytest.approx(2 * (work + 3 * work), rel=0.001)
    assert lone(costs, 1200) == pytest.approx(2 * work, rel=0.25)
    strategy = WebSocketPush()
    trace = simulate(scenario(BURSTS, strategy), strategy, costs)
    assert len(trace) > 9  # in three bursts, of which only the first message finds it cold
    for side in ("broker", "target"):
        used = trace.counters.cpu_seconds[side]
        assert used == pytest.approx((len(trace) + 3 * 3) * work, rel=0.01)


def apart(**costs: object) -> Physics:
    """Return physics in which each loop has a core of its own."""
    return Physics(cores=IDEAL.cores, pins=IDEAL.pins, **costs)


def test_what_comes_while_a_loop_goes_to_sleep_does_not_find_it_asleep() -> None:
    """It is handled as soon as the loop would sleep, and nothing wakes up."""
    awake = evenly(apart(loop=LoopCosts(sleep=1e-3, wake_up=3e-4)), 2000, 40)
    assert awake.counters.wake_ups["source"] == 1
    late = np.round(awake.sent - awake.created, 6)
    assert set(late) == {3e-4, 8e-4}  # of the two that became due within each millisecond
    asleep = evenly(apart(loop=LoopCosts(sleep=1e-4)), 2000, 40)
    assert asleep.counters.wake_ups["source"] == len(asleep)
    for trace, sleeps in ((awake, 1e-3), (asleep, 1e-4)):
        turns = len(np.unique(trace.sent))  # the run ends with the last
        assert trace.counters.cpu_seconds["source"] == pytest.approx((turns - 1) * sleeps)


@pytest.mark.parametrize("usual", [1_000_000, 10_000_000])
def test_a_core_gets_as_cold_as_it_usually_sleeps(usual: int) -> None:
    """Not as its loops do: this one slept for a second, most of which another kept the core awake."""
    habit, steep = 0.005, 3
    always = (1,) * len(SLEEPS)
    cold = Cold(LoopCosts(cold=1, cooled=always, habit=habit, steep=steep, shared=1))
    depth = 1 / (1 + (habit * SECOND / usual) ** steep)
    assert cold.asleep(SECOND, usual, usual) == pytest.approx(depth)
    assert cold.asleep(SECOND, usual, SECOND) > 0.99
    assert cold.asleep(SECOND, SECOND, usual) > 0.99, "it slept as long as the loop"


@pytest.mark.parametrize("usual", [10_000, SECOND])
def test_a_share_of_the_cold_comes_back_as_soon_as_a_loop_sleeps(usual: int) -> None:
    """However long it usually sleeps."""
    cold = Cold(LoopCosts(cooled=(0,) * len(SLEEPS), habit=1.0, soon=0.3))
    assert cold.asleep(SOON, usual, usual) == pytest.approx(0.3 / 2)
    assert cold.asleep(100 * SOON, usual, usual) == pytest.approx(0.3, rel=0.02)
    assert cold.asleep(0, usual, usual) == 0.0


def test_other_work_on_the_core_displaces_warm_code() -> None:
    """The source pays for what the target did meanwhile, t: x = t / (t + footprint) of the share."""
    work, cold, share = 1e-4, 3.0, 0.8
    loop = LoopCosts(cold=cold, cooled=(0,) * len(SLEEPS), displaced=share, rouse=work)
    alone = evenly(apart(loop=loop), 100, 50).counters.cpu_seconds
    shared = evenly(Physics(loop=loop, cores=2), 100, 50)
    used = shared.counters.cpu_seconds
    for side in alone:
        assert alone[side] == pytest.approx(len(shared) * work)
    later = len(shared) - 1  # the first message finds nothing displaced
    found = (used["source"] / work - len(shared)) / later / cold / share
    others = used["target"] / later
    assert found == pytest.approx(others / (others + FOOTPRINT / SECOND), rel=0.02)
    assert used["broker"] == alone["broker"]


def test_other_work_displaces_code_of_a_loop_that_does_not_sleep() -> None:
    code, seldom = 1, 2
    cold = Cold(LoopCosts(cooled=(0,) * len(SLEEPS), displaced=0.8))
    cold.asleep(1_000_000, 1_000_000, 0)
    cold.wake(0, 0)
    assert cold.of(code) == cold.of(seldom) == 0
    cold.stay_awake(FOOTPRINT)
    assert cold.of(code) == pytest.approx(0.8 / 2)
    cold.stay_awake(2 * FOOTPRINT)
    assert cold.of(code) == pytest.approx(0.8 / 2)
    assert cold.of(seldom) == pytest.approx(0.8 * 2 / 3)


def test_a_busy_loop_pays_for_what_other_work_displaced() -> None:
    """A broker that is always late turns as often as a turn takes, all of whose code is displaced anew."""
    work, cold, share, footprint = 3e-4, 3.0, 0.8, FOOTPRINT / SECOND
    answers = {}
    for displaced in (0.0, share):
        loop = LoopCosts(iteration=work, cold=cold, cooled=(0,) * len(SLEEPS), displaced=displaced)
        workload = Workload(arrivals=Periodic(rate=6000), duration=1)
        trace = simulate(scenario(workload, LongPoll()), LongPoll(), apart(loop=loop))
        answers[displaced] = trace.counters.requests
    turn = work
    for _ in range(20):
        turn = work * (1 + cold * share * turn / (turn + footprint))
    assert answers[0.0] / answers[share] == pytest.approx(turn / work, rel=0.05)


def test_a_loop_that_usually_sleeps_briefly_cools_less() -> None:
    """One that usually sleeps as long as its habit finds half of the cold."""
    work, cold, gap = 1e-6, 8.0, 0.01
    loop = LoopCosts(cold=cold, cooled=(1,) * len(SLEEPS), habit=gap, rouse=work)
    used = evenly(apart(loop=loop), 100, 1 / gap).counters.cpu_seconds["broker"]
    assert used / (100 * work) - 1 == pytest.approx(cold / 2, rel=0.1)


def test_code_that_has_not_run_for_long_is_cold_even_if_the_loop_just_woke() -> None:
    """The broker handles the answer 0.2 ms after the request, but 10 ms after the answer before."""
    work, cold = 1e-6, 8.0
    costs = apart(
        loop=LoopCosts(cold=cold, cooled=(0, 0, *[1] * 5)),
        exchange=ExchangeCosts(response=Cost(fixed=work)),
        link=LinkPhysics(delay=1e-4),
    )
    strategy = Webhook()
    trace = simulate(scenario(Workload(arrivals=Periodic(rate=100)), strategy), strategy, costs)
    used = trace.counters.cpu_seconds["broker"] / len(trace)
    assert used == pytest.approx((1 + cold) * work, rel=0.02)


def test_a_message_warms_part_of_the_code_for_the_next() -> None:
    """The broker reads cold, then sends with half of that warm; the source only sends, all cold."""
    work, cold = 1e-5, 8.0
    costs = apart(
        loop=LoopCosts(cold=cold, common=0.5),
        stream=StreamCosts(send=Cost(fixed=work), receive=Cost(fixed=work)),
    )
    trace = evenly(costs, 10, 20)
    used = {side: cpu / len(trace) for side, cpu in trace.counters.cpu_seconds.items()}
    assert used["source"] == used["target"] == pytest.approx((1 + cold) * work)
    assert used["broker"] == pytest.approx((2 + cold + cold / 2) * work)


def test_messages_for_one_consumer_warm_those_for_another_only_in_part() -> None:
    """Three frames reach one process at once: the first is cold, the others half as cold."""
    work, cold = 1e-5, 8.0
    costs = apart(
        loop=LoopCosts(cold=cold, common=0.5), stream=StreamCosts(receive=Cost(fixed=work))
    )
    workload = Workload(arrivals=Periodic(rate=10), duration=2, consumers=3)
    counters = simulate(scenario(workload, WebSocketPush()), WebSocketPush(), costs).counters
    assert counters.wake_ups["target"] == 20
    used = counters.cpu_seconds["target"] / 20
    assert used == pytest.approx((3 + cold + 2 * cold / 2) * work)


def test_requests_of_all_kinds_run_the_same_code() -> None:
    """A pull that follows its check finds warm code; both come from a loop that slept."""
    work, cold = 1e-5, 8.0
    costs = apart(
        loop=LoopCosts(cold=cold),
        exchange=ExchangeCosts(request=Cost(fixed=work), response=Cost(fixed=work)),
    )
    strategy = PollThenPull(interval=0.05)
    workload = Workload(arrivals=Periodic(rate=4), duration=3)
    counters = simulate(scenario(workload, strategy), strategy, costs).counters
    pulls = (counters.requests - counters.empty_replies) // 2
    checks = counters.requests - pulls
    assert pulls == 12
    used = (2 * checks * (1 + cold) + 2 * pulls) * work
    ends = 2 * 2 * cold * work  # the first check finds warm code, the last is under way
    assert counters.cpu_seconds["target"] == pytest.approx(used, abs=ends)


def test_a_call_warms_no_request() -> None:
    """A producer that posts calls itself first: its request is as cold as one that nothing precedes."""
    work, cold = 1e-5, 8.0
    costs = apart(
        loop=LoopCosts(cold=cold, common=0.5),
        call=CallCosts(ask=work),
        exchange=ExchangeCosts(request=Cost(fixed=work)),
    )
    strategy = HttpIngest()
    trace = simulate(scenario(Workload(arrivals=Periodic(rate=10)), strategy), strategy, costs)
    used = trace.counters.cpu_seconds["source"] / len(trace)
    assert used == pytest.approx(2 * (1 + cold) * work)


def test_a_process_without_sockets_has_prices_of_its_own() -> None:
    """Each of its own is paid as often as it is due, and those of loops with sockets never."""
    others = LoopCosts(rouse=1.0, iteration=1.0, finish=1.0, sleep=1.0)
    price, strategy = 1e-5, InProcessLongPoll()
    setting = scenario(Workload(arrivals=Periodic(rate=10), duration=5), strategy)
    for name in ("rouse", "turn", "finish", "sleep"):
        costs = Physics(loop=others, call=CallCosts(**{name: price}))
        counters = simulate(setting, strategy, costs).counters
        times = counters.cpu_seconds["all"] / price
        if name == "turn":
            assert times > counters.wake_ups["all"]
        else:
            due = 50 if name == "finish" else counters.wake_ups["all"]
            assert times == pytest.approx(due, abs=1)  # the last sleep may not end


def test_a_timer_is_late_by_a_share_of_the_sleep_before_it() -> None:
    trace = evenly(apart(loop=LoopCosts(slack=1e-3)), 2, 10)
    late = 0.5 * 1e-3 / (1 + 1e-3)  # the sleep before begins as late
    assert (trace.sent - trace.created)[1:] == pytest.approx(late, rel=1e-3)
    assert trace.latency == pytest.approx(trace.sent - trace.created), "what is sent is not late"


def test_cold_work_is_steadier_than_warm_work() -> None:
    """Noise is that of warm work; what the cold adds to it has none."""
    work = 50e-6
    for cold in (0, 4):
        costs = apart(
            loop=LoopCosts(cold=cold), stream=StreamCosts(receive=Cost(fixed=work)), noise=0.2
        )
        spent = evenly(costs, 100, 1000).parts()["to the broker"]
        assert spent.mean() == pytest.approx((1 + cold) * work, rel=0.02)
        assert spent.std() == pytest.approx(0.2 * work, rel=0.1)


def test_messages_sent_in_one_turn_leave_one_after_another() -> None:
    """Each is stamped when its own sending begins, at the source and at the broker."""
    costs = apart(stream=StreamCosts(send=Cost(fixed=1e-5)))
    strategy = WebSocketPush()
    two = BURSTS.model_copy(update={"consumers": 2})
    trace = simulate(scenario(two, strategy), strategy, costs)
    for stamps in (np.unique(trace.sent), np.sort(trace.left_broker)):
        assert np.diff(stamps).min() == pytest.approx(1e-5, abs=2e-9)


def test_rousing_is_paid_once_a_waking() -> None:
    costs = apart(loop=LoopCosts(rouse=1e-4, finish=3e-5))
    trace = evenly(costs, 100, 50)
    used = trace.counters.cpu_seconds
    assert used["source"] == pytest.approx(len(trace) * 1e-4)
    assert used["target"] == pytest.approx(len(trace) * 1.3e-4)
    strategy = WebSocketPush()
    burst = simulate(scenario(BURSTS, strategy), strategy, costs)
    assert burst.counters.cpu_seconds["source"] < len(burst) * 1e-4 / 2


def test_a_share_of_the_cold_outlives_the_time_awake() -> None:
    """Each message finds half of the cold that the one before it found: 1/2 + 1/4 + … = 1."""
    work, cold = 1e-5, 8.0
    loops = LoopCosts(cold=cold, cooled=[0] * 7, residue=0.5)
    costs = apart(loop=loops, stream=StreamCosts(receive=Cost(fixed=work)))
    trace = evenly(costs, 4000, 40)
    used = trace.counters.cpu_seconds["broker"]
    assert used == pytest.approx((len(trace) + cold) * work, rel=0.01)


def test_what_is_paid_once_is_paid_once_a_turn() -> None:
    """Of messages that come at once, the first to be written in each turn pays more."""
    costs = IDEAL.model_copy(
        update={"stream": StreamCosts(send=Cost(fixed=1e-5, once=1e-4), receive=Cost(fixed=1e-6))}
    )
    strategy = WebSocketPush(batch_size=10)
    workload = Workload(arrivals=OnOff(rate=1e6, on=1e-5, off=0.1), duration=0.05, seed=3)
    trace = simulate(scenario(workload, strategy), strategy, costs)
    apart = np.round(np.diff(np.sort(trace.at_broker)), 6)
    assert set(apart) == {1.1e-5, 1.11e-4}
    assert (apart == 1.1e-5).sum() > (apart == 1.11e-4).sum() > 0
    assert trace.at_broker[0] - trace.sent[0] == pytest.approx(1.11e-4, abs=2e-6)


def test_what_comes_after_a_message_does_not_delay_it() -> None:
    after = 5e-4
    costs = IDEAL.model_copy(update={"exchange": ExchangeCosts(request=Cost(after=after))})
    strategy = Webhook()
    workload = Workload(arrivals=Periodic(rate=10), duration=1)
    trace = simulate(scenario(workload, strategy), strategy, costs)
    assert trace.latency.max() == 0
    assert trace.counters.cpu_seconds["broker"] == pytest.approx(len(trace) * after)


def test_what_comes_after_a_frame_is_warm_and_not_the_sources() -> None:
    """In a loop that is as cold as can be each time."""
    after = 5e-4
    costs = apart(loop=LoopCosts(cold=4.0), stream=StreamCosts(send=Cost(after=after)))
    strategy = WebSocketPush()
    workload = Workload(arrivals=Periodic(rate=10), duration=1)
    trace = simulate(scenario(workload, strategy), strategy, costs)
    assert trace.latency.max() == 0
    used = trace.counters.cpu_seconds
    assert used["broker"] == pytest.approx(len(trace) * after)
    assert used["source"] == used["target"] == 0


def test_a_new_connection_is_closed_before_the_next_is_made() -> None:
    """On the server after the reply, on the client with the response: only that delays what follows."""
    client, server, close = 1e-3, 2e-3, 4e-3
    costs = IDEAL.model_copy(
        update={"connection": ConnectionCosts(client=client, server=server, close=close)}
    )
    strategy = Webhook(keep_alive=False)
    workload = Workload(arrivals=OnOff(rate=1e6, on=3e-6, off=10), duration=1, seed=3)
    trace = simulate(scenario(workload, strategy), strategy, costs)
    assert len(trace) > 1
    before = np.arange(len(trace)) * (client + server + close)
    assert trace.done - trace.sent == pytest.approx(before + client + server, abs=1e-5)
    used = trace.counters.cpu_seconds
    assert used["broker"] == pytest.approx(len(trace) * (client + close))
    assert used["target"] == pytest.approx(len(trace) * (server + close))


def test_a_new_connection_is_as_cold_as_its_own_share() -> None:
    """Request and connection cost the same here, of which a cold loop adds to the former only."""
    work, cold = 1e-4, 4.0
    costs = apart(
        loop=LoopCosts(cold=cold),
        exchange=ExchangeCosts(request=Cost(fixed=work)),
        connection=ConnectionCosts(client=work, cold=0.0),
    )
    kept, new = Webhook(), Webhook(keep_alive=False)
    for strategy, opened in ((kept, 1), (new, 100)):
        trace = simulate(scenario(Workload(arrivals=Periodic(rate=10)), strategy), strategy, costs)
        assert len(trace) == 100
        used = trace.counters.cpu_seconds["broker"]
        assert used == pytest.approx(100 * (1 + cold) * work + opened * work, rel=1e-6)


def test_a_connection_that_is_kept_alive_is_opened_by_its_first_request() -> None:
    client, server = 1e-3, 3e-3
    costs = apart(connection=ConnectionCosts(client=client, server=server))
    trace = evenly(costs, 100, 20, Webhook())
    assert trace.latency == pytest.approx([client + server] + [0.0] * 19, abs=1e-9)
    polled = evenly(costs, 100, 20, LongPoll())
    assert polled.latency == pytest.approx(0.0, abs=1e-9), "the first poll was before the messages"
    for run, asks, answers in ((trace, "broker", "target"), (polled, "target", "broker")):
        used = run.counters.cpu_seconds
        assert used[asks] == pytest.approx(client)
        assert used[answers] == pytest.approx(server)


def test_the_first_poll_costs_as_much_as_others() -> None:
    request = 1e-4
    for strategy, costs in (
        (LongPoll(), apart(exchange=ExchangeCosts(request=Cost(fixed=request)))),
        (InProcessLongPoll(), apart(call=CallCosts(ask=request))),
    ):
        trace = evenly(costs, 50, 10, strategy)
        published = len(trace) if strategy.name == "InProcessLongPoll" else 0
        used = sum(trace.counters.cpu_seconds.values())
        assert used == pytest.approx((trace.counters.requests + published) * request)
        assert trace.counters.requests == len(trace) + 1


def test_consumers_of_one_process_all_have_their_answers_before_any_asks_again() -> None:
    """An HTTP library sends requests in tasks of their own, in the next turn."""
    request, serve, response = 1e-3, 1e-6, 2e-5
    costs = IDEAL.model_copy(
        update={
            "exchange": ExchangeCosts(
                request=Cost(fixed=request), serve=Cost(fixed=serve), response=Cost(fixed=response)
            )
        }
    )
    strategy = LongPoll()
    workload = Workload(arrivals=Periodic(rate=10), duration=1, consumers=4)
    trace = simulate(scenario(workload, strategy), strategy, costs)
    slowest = trace.latency.reshape(4, -1).max(axis=1)
    assert slowest == pytest.approx(response * np.arange(1, 5), abs=1e-8)


def test_a_core_is_not_free_for_others_before_its_loop_sleeps() -> None:
    """Source and target share a core: the target waits until the source has gone to sleep."""
    costs = Physics(loop=LoopCosts(sleep=3e-4), cores=2)
    strategy = HttpIngest()
    workload = Workload(arrivals=Periodic(rate=10), duration=1)
    trace = simulate(scenario(workload, strategy), strategy, costs)
    assert np.allclose(trace.latency, 3e-4, atol=1e-8)
    apart = simulate(
        scenario(workload, strategy), strategy, IDEAL.model_copy(update={"loop": costs.loop})
    )
    assert apart.latency.max() == 0


REQUESTS = ExchangeCosts(
    request=Cost(fixed=4e-5),
    serve=Cost(fixed=7e-5),
    reply=Cost(fixed=3e-5),
    response=Cost(fixed=2e-5),
)


def posted(rate: float, count: int, cores: int, sleep: float = 3e-4) -> Trace:
    """Return messages posted by a source, evenly spaced, whose loop and the target's have `cores`."""
    costs = Physics(
        loop=LoopCosts(sleep=sleep),
        exchange=REQUESTS,
        link=LinkPhysics(hop=1e-3),
        cores=cores,
        pins={"source": 0, "target": 1},
    )
    strategy = HttpIngest()
    workload = Workload(arrivals=Periodic(rate=rate), duration=count / rate)
    return simulate(scenario(workload, strategy), strategy, costs)


def test_who_is_woken_and_had_less_of_the_core_preempts() -> None:
    """The target waits until the source sleeps; the source, woken by the reply, may not have to.

    When it is woken, the target has had 0.1 ms of the core, and the source, since the target wanted it,
    its way to sleep: it waits if that took 0.3 ms, and preempts if it took 0.09.
    """
    heavier = posted(rate=100, count=20, cores=1)
    assert heavier.latency == pytest.approx(4e-5 + 3e-4 + 7e-5, abs=1e-8)
    assert heavier.acked - heavier.done == pytest.approx(3e-5 + 3e-4 + 2e-5, abs=1e-8)
    lighter = posted(rate=100, count=20, cores=1, sleep=9e-5)
    assert lighter.latency == pytest.approx(4e-5 + 9e-5 + 7e-5, abs=1e-8)
    assert lighter.acked - lighter.done == pytest.approx(3e-5 + 2e-5, abs=1e-8)


def test_a_preempted_loop_still_sees_what_comes_before_it_sleeps() -> None:
    """With the response to one request, the source sends the next: the target need not wake again."""
    at_once = {"rate": 1e6, "count": 20, "sleep": 9e-5}
    assert posted(cores=1, **at_once).counters.wake_ups["target"] == 1
    assert posted(cores=2, **at_once).counters.wake_ups["target"] == 20


def overloaded(cores: int, **costs: object) -> Trace:
    """Return 10,000 messages in 10 ms: 0.05 s of work for the source, 0.2 for the broker, 0.1 for the target."""
    work = Cost(fixed=1e-5)
    physics = Physics(
        loop=LoopCosts(sleep=1e-5, **costs),
        stream=StreamCosts(send=Cost(fixed=5e-6, after=5e-6), receive=work),
        cores=cores,
        pins={"source": 0, "broker": 1, "target": 0 if cores == 2 else 2},
    )
    strategy = WebSocketPush()
    workload = Workload(arrivals=Periodic(rate=1e6), duration=0.01)
    return simulate(scenario(workload, strategy), strategy, physics)


def test_two_loops_that_are_always_busy_divide_their_core_in_slices() -> None:
    """The source has all the time something to send, and the target nothing less to receive."""
    shared = overloaded(cores=2)
    assert shared.done.min() < 3 * LAG / SECOND
    waits = np.diff(np.sort(shared.done.ravel()))
    assert waits.max() < 4 * LAG / SECOND
    sending = shared.sent.max()
    done = np.sum(shared.done < sending) / len(shared)
    assert 0.5 < done < 1
    assert overloaded(cores=3).sent.max() < sending


def test_who_was_preempted_goes_on_as_cold_as_after_a_sleep() -> None:
    """A send takes 5 µs, five times as long at first whenever the target has had the source's core."""
    cold = {"cold": 4.0, "soon": 1.0, "cooled": (0.0,) * len(SLEEPS)}
    more = {
        cores: overloaded(cores, **cold).counters.cpu_seconds["source"]
        - overloaded(cores).counters.cpu_seconds["source"]
        for cores in (2, 3)
    }
    assert more[3] < 5 * 20e-6 < more[2]


def test_only_another_core_is_a_hop_away() -> None:
    apart = posted(rate=100, count=20, cores=2)
    assert apart.latency == pytest.approx(4e-5 + 1e-3 + 7e-5, abs=1e-8)
    assert apart.acked - apart.done == pytest.approx(3e-5 + 1e-3 + 2e-5, abs=1e-8)


def test_a_hop_to_a_loop_that_has_cooled_takes_longer() -> None:
    cooled = (0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0)
    costs = apart(loop=LoopCosts(cooled=cooled), link=LinkPhysics(hop=1e-4, drowsy=2.0))
    for rate, times in ((1000, 1.0), (1 / 6.1e-3, 2.0), (20, 3.0)):
        hop = evenly(costs, rate, 30).parts()["to the broker"]
        assert np.median(hop) == pytest.approx(1e-4 * times, rel=0.06)


def test_a_hop_is_as_fast_as_the_sender_at_that_moment() -> None:
    trace = evenly(apart(link=LinkPhysics(hop=1e-4), noise=0.3), 100, 2000)
    hops = trace.parts()["to the broker"] / 1e-4
    assert hops.mean() == pytest.approx(1, rel=0.03)
    assert np.log(hops).std() == pytest.approx(0.3, rel=0.08)
    close = evenly(apart(link=LinkPhysics(hop=1e-2), noise=0.3), 1e4, 200)
    assert (np.diff(close.at_broker) >= 0).all()  # none overtakes another


def test_stalls_take_their_share_of_the_time() -> None:
    """A message meets a stall with probability rate x length, anywhere in it."""
    rate, length = 5.0, 0.01
    costs = IDEAL.model_copy(update={"stalls": (Stalls(rate=rate, length=length),)})
    strategy = WebSocketPush()
    workload = Workload(arrivals=Poisson(rate=300), duration=400)
    delay = simulate(scenario(workload, strategy), strategy, costs).parts()["schedule delay"]
    share = rate * length / (1 + rate * length)
    assert (delay > 0).mean() == pytest.approx(share, rel=0.1)
    assert delay[delay > 0].mean() == pytest.approx(length / 2, rel=0.05)
    assert 0.98 * length < delay.max() <= length


def test_runs_differ_in_speed_as_much_as_the_machine_drifts() -> None:
    strategy = WebSocketPush()
    setting = scenario(Workload(arrivals=Periodic(rate=100), duration=0.1), strategy)
    drifting = COSTS.model_copy(update={"drift": 0.2})
    steady = simulate(setting, strategy, drifting.steady()).counters.cpu_seconds["broker"]
    used = [
        simulate(setting, strategy, drifting, k).counters.cpu_seconds["broker"] for k in range(60)
    ]
    spread = np.log(np.array(used) / steady)
    assert spread.std() == pytest.approx(0.2, rel=0.35)
    assert abs(spread.mean()) < 0.1


def test_a_core_keeps_its_speed_for_a_spell() -> None:
    """Work of neighbours is as alike as a memoryless spell has it, and its mean is that of none."""
    step, swing, spell, gap = 1e-5, 0.3, 0.05, 2e-3
    costs = apart(stream=StreamCosts(step=step), swing=swing, spell=spell)
    trace = evenly(costs, 1 / gap, 20_000)
    pace = trace.parts()["broker residence"] / step
    assert pace.mean() == pytest.approx(1, rel=0.04)
    logs = np.log(pace)
    assert logs.std() == pytest.approx(swing, rel=0.06)
    logs = (logs - logs.mean()) / logs.std()
    for lag in (1, 10, 50):
        alike = np.mean(logs[lag:] * logs[:-lag])
        assert alike == pytest.approx(math.exp(-lag * gap / spell), abs=0.06)
    assert trace.manifest["pace"] == pytest.approx(pace.mean(), rel=1e-3)
    assert simulate(scenario(BUSY, WebSocketPush()), WebSocketPush(), COSTS).manifest["pace"] == 1


def test_runs_that_differ_in_little_have_the_same_luck() -> None:
    """Dearer turns hold more messages each, so there are fewer; what was chance before is so again."""
    runs = []
    for times in (1.0, 1.2):
        dearer = COSTS.loop.model_copy(update={"iteration": times * COSTS.loop.iteration})
        chance = {"noise": 0.5, "swing": 0.3, "spell": 5e-3, "stalls": ()}
        costs = COSTS.model_copy(update={"loop": dearer, **chance})
        strategy = WebSocketPush()
        workload = Workload(arrivals=Poisson(rate=2_000), duration=0.5)
        runs.append(np.log(simulate(scenario(workload, strategy), strategy, costs).latency))
    late = len(runs[0]) // 2
    assert np.corrcoef(runs[0][late:], runs[1][late:])[0, 1] > 0.95


def test_each_message_of_a_long_turn_has_a_chance_of_its_own() -> None:
    """A backlog that is handled in one turn takes the mean time, not that of its first message."""
    work, count = 5e-5, 2_000
    spells = math.exp(-(0.5**2))  # 1/pace is what gets done in a time: fast spells do more
    for chance, times, pace in (
        ({"noise": 0.5}, 1.0, 1.0),
        ({"swing": 0.5, "spell": 4e-4}, spells, spells),
        ({"stalls": (Stalls(rate=250.0, length=1e-3),)}, 1.25, 1.0),
    ):
        costs = apart(stream=StreamCosts(receive=Cost(fixed=work)), **chance)
        trace = evenly(costs, 1e7, count)
        used = trace.counters.cpu_seconds["broker"]
        assert used == pytest.approx(times * count * work, rel=0.12)
        assert trace.manifest["pace"] == pytest.approx(pace, rel=0.12)


@pytest.mark.parametrize("buffer", [500, 5_000, 50_000])
def test_a_full_socket_buffer_blocks_the_sender(buffer: int) -> None:
    """A consumer that reads nothing while it works leaves the rest to buffer and broker."""
    costs = IDEAL.model_copy(update={"link": LinkPhysics(buffer=buffer)})
    strategy = WebSocketPush(queue=1)
    workload = Workload(arrivals=Periodic(rate=2000), size=100, work=0.01, duration=1)
    trace = simulate(scenario(workload, strategy, drain=30), strategy, costs)
    ready = trace.created[-1]
    left = int((trace.left_broker <= ready).sum())
    done = int((trace.done <= ready).sum())
    frame, in_consumer, held_back = 130, 2, 1
    assert abs(left - done - in_consumer - held_back - buffer / frame) <= 2
    assert (trace.fate == Fate.DELIVERED).all()
    assert check(trace) == []


def test_bandwidth_spaces_messages_out() -> None:
    costs = IDEAL.model_copy(update={"link": LinkPhysics(bandwidth=100_000)})
    strategy = WebSocketPush()
    setting = scenario(Workload(arrivals=Periodic(rate=2000), size=879, duration=0.1), strategy)
    gaps = np.diff(simulate(setting, strategy, costs).done)
    assert np.median(gaps) == pytest.approx(0.009, abs=0.0001)  # 900 bytes in each frame


def test_cut_off_runs_say_so() -> None:
    strategy = WebSocketPush()
    workload = Workload(arrivals=Periodic(rate=100), work=0.1, duration=1)
    trace = simulate(scenario(workload, strategy, drain=0.5), strategy, IDEAL)
    assert trace.manifest["cut_off"]
    assert 0 < (trace.fate == Fate.IN_FLIGHT).sum() < len(trace)
    assert check(trace) == []


def test_retention_expires_what_a_slow_poller_leaves() -> None:
    strategy = ShortPoll(interval=0.5, max_records=10)
    workload = Workload(arrivals=Periodic(rate=100), duration=2)
    setting = scenario(workload, strategy, retention={"count": 20})
    trace = simulate(setting, strategy, IDEAL)
    expired = trace.fate == Fate.EXPIRED
    assert expired.sum() > 50
    assert ((trace.fate == Fate.DELIVERED) | expired).all()
    assert np.isnan(trace.received[expired]).all()
    assert check(trace) == []


def test_a_time_out_that_was_not_needed_wakes_nobody() -> None:
    runs = []
    for timeout in (0.5, 1000):
        strategy = ShortPoll(interval=0.05, timeout=timeout)
        workload = Workload(arrivals=Poisson(rate=10), duration=5)
        scenario = Scenario(workload=workload, strategies=[strategy])
        runs.append(simulate(scenario, strategy, reference().physics))
    assert runs[0].counters.wake_ups == runs[1].counters.wake_ups
    assert runs[0].done == pytest.approx(runs[1].done, abs=1e-4)


def test_a_wait_that_a_message_ended_wakes_nobody() -> None:
    """Each message comes before the wait of half a second is over, and begins another one."""
    trace = evenly(COSTS, 3, 30, InProcessLongPoll())
    assert trace.counters.empty_replies == 0
    assert trace.counters.wake_ups["all"] == 1 + len(trace)


def test_a_check_that_finds_nothing_has_the_bytes_of_a_304() -> None:
    strategy = PollThenPull(interval=0.05)
    scenario = Scenario(
        workload=Workload(arrivals=Periodic(rate=1), size=500, duration=2), strategies=[strategy]
    )
    counters = simulate(scenario, strategy, IDEAL).counters
    form, some = strategy.wire.format, 1_000  # an offset of as many digits
    empty = http_size(form.response(Status(0, some, False), str))
    told = http_size(form.response(Status(0, some, True), str))
    answer = http_size(form.response(Records(0, some, (0,)), lambda _: "x" * 500))
    pulls = (counters.requests - counters.empty_replies) // 2
    assert counters.empty_replies > 10 * pulls > 0
    expected = counters.empty_replies * empty + pulls * (told + answer)
    assert counters.bytes_out == pytest.approx(expected, abs=2 * pulls)  # digits of a length
