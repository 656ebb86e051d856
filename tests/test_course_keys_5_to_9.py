"""Keys of lessons 5 to 9: what theory says is right, and what one would say without thinking is not."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from quizzes import answered, verdicts

from lab import (
    Constant,
    ConsumerGroup,
    Exponential,
    HttpIngest,
    LongPoll,
    Periodic,
    Poisson,
    Retention,
    Scenario,
    Strategy,
    Uniform,
    Webhook,
    WebSocketPush,
    Workload,
    compare,
    oracles,
)
from lab.compare import Comparison
from lab.faults import ConsumerCrash, Fault, LostResponse, SlowConsumer
from lab.idle import IdleCost
from lab.metrics import Interval
from lab.outcomes.fates import peaks
from lab.roles import Log
from lab.trace import Fate

STEADY = Workload(arrivals=Poisson(rate=200), duration=5, seed=6)
EVEN = Workload(arrivals=Periodic(rate=200), work=0.002, duration=1.6, seed=7)
RARE = Workload(arrivals=Periodic(rate=1 / 1800), duration=7200)
SLOW = SlowConsumer(at=0.4, duration=0.5, times=25)
Wrong = Mapping[str, list[float]]


def run(workload: Workload, *strategies: Strategy, fault: Fault | None = None, **more: Any) -> Any:
    faults = [fault] if fault else []
    setting = {"workload": workload, "strategies": strategies, "faults": faults, **more}
    scenario = Scenario.model_validate({"replications": 2, **setting})
    return compare(scenario, engines=["theory", "simulation"])


def messages(size: float) -> Comparison:
    changes = {"size": Constant(value=size), "work": Constant(value=0), "duration": 0.5}
    some = EVEN.model_copy(update=changes)
    return run(some, WebSocketPush(), Webhook(), Webhook(keep_alive=False))


def judge(id: str, right: float, wrong: list[float], **evidence: Any) -> None:
    answers = [answer for answer in (0, 1, -right, *wrong) if answer != right]
    told = verdicts(id, right, *answers, **evidence)
    assert told == [True] + [False] * len(answers), dict(zip([right, *answers], told, strict=True))


def test_connections() -> None:
    found = messages(60)
    _, kept, new = (result for result in found.results if result.engine == "simulation")
    runs = dict(zip(("stream", "kept", "new"), found.runs, strict=True))
    slower = new.latency["p50"].mean / kept.latency["p50"].mean
    judge("5.1", slower, [2, 1 / slower], kept=runs["kept"], new=runs["new"])
    judge("5.2", 297 / 90, [2, 5], stream=runs["stream"], kept=runs["kept"])
    evidence = {"post": runs["new"], "stream": runs["stream"], "ping_and_pong": 16}
    bytes_of_new = new.bytes_per_message.mean
    right = 180 * 16 / (bytes_of_new - 90)
    judge("5.6", right, [180 * 16 / bytes_of_new, right / 3600, right / 2], **evidence)


def test_idle_connections() -> None:
    waiting = run(RARE, LongPoll(max_wait=30), drain=60).runs[0]
    judge("5.5", 60, [30, 120], run=waiting)
    idle = IdleCost("WebSocketPush", "loopback", 0.1, 100, memory=Interval(50_000, 45_000, 55_000))
    judge("5.7", 20_000, [40_000, 10_000, 20], idle=idle)


def test_batches() -> None:
    ten = WebSocketPush(batch_size=10, linger=0.3)
    filled = run(STEADY.model_copy(update={"duration": 20}), ten, replications=4).runs[0]
    judge("6.1", 22.5, [25, 45, 50, 5], run=filled)
    lingered = run(STEADY, Webhook(batch_size=1000, linger=0.02)).runs[0]
    judge("6.2", 12, [10, 20, 2.5], run=lingered)
    sizes = [Webhook(), *(Webhook(batch_size=size, linger=1) for size in (10, 100))]
    saved = run(STEADY, *sizes).runs
    judge("6.3", 103.4, [337, 124.7, 337 / 100, 60], runs=saved)
    slow = run(STEADY.model_copy(update={"work": Constant(value=0.002)}), ten, fault=SLOW).runs[0]
    judge("6.4", 10 * 0.002 * 25 * 200, [10, 50, 250], run=slow)
    judge("6.7", 21, [20, 10, 22])
    judge("6.6", 20, [100, 10, 1 / 20], rates={1: [900, 1100, 1000], 100: [20_000, 19_000, 21_000]})


def test_slow_consumers() -> None:
    busy = [
        run(Workload(arrivals=Poisson(rate=rate), work=Exponential(mean=0.01)), WebSocketPush())
        for rate in (50, 95)
    ]
    judge("7.1", 10, [1.9, 20, 9], half=busy[0].results[0], most=busy[1].results[0])
    held_up = run(EVEN, WebSocketPush(), fault=SLOW).runs[0]
    judge("7.3", 90, [100, 10, 250], run=held_up)
    judge("7.4", 0.3, [0.5, 90 / 500, 90 / 200], run=held_up)
    judge("7.7", 5 / 0.021, [5 / 0.020, 400, 1000, 5 / 0.011], passed=5 / 0.021)
    large = EVEN.model_copy(update={"size": Constant(value=50_000)})
    trace = run(large, WebSocketPush(), fault=SLOW, sample=0.01).runs[0].traces[0]
    newest, oldest = (bounded(20, policy, 3.0).runs[0] for policy in ("drop_newest", "drop_oldest"))
    judge("7.6", 7, [10, 1 / 7, 3.5], newest=newest, oldest=oldest)
    kernel = peaks(trace)["kernel"]
    assert kernel > 10
    judge("7.5", kernel / 20, [kernel, kernel * 50_000, 2 * kernel / 20], trace=trace)


def test_lost_and_found() -> None:
    behind = [SlowConsumer(at=0.6, duration=0.2, times=5), ConsumerCrash(at=0.8, duration=0.8)]
    work = {"work": Uniform(low=0.001, high=0.005), "duration": 2.5, "seed": 8}
    killed = run(STEADY.model_copy(update=work), WebSocketPush(), faults=behind).runs[0]
    lost = float(np.mean([np.sum(trace.fate == Fate.LOST) for trace in killed.traces]))
    judge("8.1", lost, [160, 2 * lost, lost / 2], run=killed)
    first = int(np.flatnonzero(killed.traces[0].fate == Fate.LOST)[0])
    judge("8.5", first, [first + 1, first - 1], honest=killed.traces[0])
    judge("8.4", 36, [20, 16, 35], bound=36.0)
    judge(
        "8.7", 0.7 * (1 - 0.51**3) / 0.49, [1.3, 0.7, 3, 1.43], theory=oracles.retries(0.3, 0.3, 3)
    )


def test_replay_and_groups() -> None:
    log = Log(Retention(count=5).limits(), keeps_times=True)
    for message in range(12):
        log.append([message], now=message * 0.010)
        log.expire(now=message * 0.010)
    judge("9.1", 7, [5, 8, 6, 11], log=log)
    late = ConsumerCrash(at=0, duration=0.8)
    pushed, pulled = run(EVEN, WebSocketPush(), LongPoll(max_records=50), fault=late).runs
    judge("9.2", 160, [200, 320, 80], run=pushed)
    judge("9.3", 160 / 300, [160 / 500, 0.8, 160 / 200], run=pulled)
    later = run(EVEN, LongPoll(max_records=50, from_time=0.5), fault=late).runs[0]
    judge("9.4", 100, [60, 160, 200], run=later)
    away = ConsumerCrash(at=0.3, duration=1)
    kept = Retention(count=80)
    judge(
        "9.5",
        120,
        [80, 200, 300],
        run=run(EVEN, LongPoll(max_records=50), fault=away, retention=kept).runs[0],
    )
    too_slow = EVEN.model_copy(update={"work": Constant(value=1 / 150), "duration": 4})
    expired = run(too_slow, LongPoll(max_records=10), retention=Retention(age=0.5)).runs[0]
    judge("9.6", 2, [0.5, 4, 0.5 * 4 / 3], run=expired)
    group = ConsumerGroup(max_records=20, session_timeout=0.5, heartbeat=0.1)
    members = EVEN.model_copy(update={"consumers": 3})
    moved = run(members, group, fault=ConsumerCrash(at=0.5, duration=1, consumer=1)).runs[0]
    judge("9.7", 0.5, [0.1, 0.25], run=moved)


def post(method: str, lost: int = 30) -> Any:
    losses = [LostResponse(at=0.1 + 0.06 * i) for i in range(lost)]
    strategy = HttpIngest(timeout=0.2, retry_first=0.02, method=method)
    workload = Workload(arrivals=Periodic(rate=100), duration=2)
    scenario = Scenario(workload=workload, strategies=[strategy], faults=losses, replications=1)
    return compare(scenario, engines=["simulation"]).runs[0].traces[0]


def linger(seconds: float, rate: float = 200) -> Comparison:
    workload = STEADY.model_copy(update={"arrivals": Poisson(rate=rate), "duration": 20})
    return run(workload, Webhook(batch_size=1000, linger=seconds))


def bounded(buffer: int, overflow: str = "drop_newest", slow: float = 1.0) -> Comparison:
    way = WebSocketPush(acks=True, credits=1, buffer=buffer, overflow=overflow)
    some = EVEN.model_copy(update={"duration": slow + 0.6})
    return run(some, way, fault=SLOW.model_copy(update={"duration": slow}))


def works(seconds: float) -> Any:
    workload = EVEN.model_copy(update={"work": Constant(value=seconds), "duration": 12})
    return run(workload, LongPoll(max_records=10), retention=Retention(age=0.5)).runs[0]


@pytest.mark.parametrize(
    ("id", "make", "right", "wrong"),
    [
        ("5.8", messages, [(2040,)], [(60,), (1500,), (3000,)]),
        ("6.8", linger, [(0.0203,)], [(0.01,), (0.03,), (0.0203, 100)]),
        ("7.8", bounded, [(5,)], [(4,), (6,), (20,), (5, "drop_oldest")]),
        ("8.9", post, [("PUT",)], [("POST",), ("PUT", 0)]),
        ("9.9", works, [(0.008,)], [(0.0067,), (0.012,)]),
    ],
)
def test_exercises_are_judged_by_the_run(id: str, make: Any, right: list, wrong: list) -> None:
    assert all(answered(id, make(*knobs))[0] for knobs in right)
    for answer in [*(make(*knobs) for knobs in wrong), 5, None, "run"]:
        assert not answered(id, answer)[0]
