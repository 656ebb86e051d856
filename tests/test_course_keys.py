"""Keys that come from a student's own runs: right answers pass, and the tempting wrong ones do not."""

import numpy as np
import pytest
from quizzes import verdicts

from lab import (
    HttpIngest,
    Periodic,
    Scenario,
    ServerSentEvents,
    ShortPoll,
    Webhook,
    WebSocketPush,
    Workload,
    simulate,
)
from lab.course import hunt
from lab.course.questions import lesson_11
from lab.faults import StalledLoop
from lab.metrics import Run
from lab.physics import reference
from lab.prediction.forecast import QUANTILES, Estimate, Forecast, Outlook, Resource, Saturation
from lab.strategies import Strategy
from lab.trace import Trace
from lab.validation.judge import leave_one_out


def right(id: str, answer: object, **evidence: object) -> bool:
    """Check an answer, and say whether it is right; known mistakes must not be."""
    return verdicts(id, answer, **evidence)[0]


def stalled(strategy: Strategy, seconds: float, rate: float, side: str, stall: float) -> Trace:
    scenario = Scenario(
        workload=Workload(arrivals=Periodic(rate=rate), duration=seconds),
        strategies=[strategy],
        faults=[StalledLoop(at=seconds / 2, duration=stall, side=side)],
    )
    return simulate(scenario, strategy, reference().physics)


def closed_loop(trace: Trace) -> list[int]:
    kept, free_at = [], 0.0
    for row, (due_at, done_at) in enumerate(zip(trace.created, trace.done, strict=True)):
        if due_at >= free_at:
            kept.append(row)
            free_at = done_at
    return kept


def test_a_stall_of_a_hundredth_of_the_run_is_half_of_it_at_p995() -> None:
    trace = stalled(WebSocketPush(), 10, 1000, "broker", 0.1)
    kept = closed_loop(trace)
    assert right("10.1", 0.05, trace=trace)
    assert right("10.2", 0.09, trace=trace)
    for wrong in (0, 0.1, float(np.quantile(trace.latency[kept], 0.995)), trace.latency.mean()):
        assert not right("10.1", wrong, trace=trace), wrong
        assert not right("10.2", wrong, trace=trace), wrong
    assert right("10.3", 99, trace=trace, kept=kept)
    assert not right("10.3", 0, trace=trace, kept=kept)
    assert not right("10.4", 1, trace=trace, kept=kept)


def test_smaller_lies() -> None:
    measured = stalled(WebSocketPush(), 2, 1000, "broker", 0.2)
    assert right("10.6", 0.1, measured=measured) and not right("10.6", 0.2, measured=measured)
    short = [0.030, 0.034, 0.032]
    for answer, verdict in ((20, True), (25, False), (-20, False), (0.2, False), (80, False)):
        assert right("10.8", answer, means=short, theory=0.040) is verdict, answer
    assert right("10.9", 0.5, samples=500) and not right("10.9", 1, samples=500)


def test_a_hunter_counts_and_waits() -> None:
    assert [n for n in range(6) if right("12.8", n)] == [2]
    slow = hunt.run("E")
    assert [s for s in (0.1, 0.5, 1.0, 2.0) if right("12.11", s, slow=slow)] == [1.0]


def test_a_client_that_waits_reports_a_stall_in_its_maximum_only() -> None:
    waiting = stalled(HttpIngest(concurrency=1), 4, 300, "target", 1.0)
    assert [letter for letter in "abcd" if right("10.7", letter, waiting=waiting)] == ["d"]


@pytest.mark.parametrize(
    ("b", "key"), [([9, 10, 11], "c"), ([19, 20, 21], "a"), ([1, 1.1, 1.2], "b")]
)
def test_means_differ_if_their_intervals_are_apart(b: list[float], key: str) -> None:
    found = [letter for letter in "abcd" if right("10.10", letter, means_a=[9, 10, 12], means_b=b)]
    assert found == [key]


def forecast(*p50: float) -> Forecast:
    """Return a forecast of three strategies with these medians, and an interval around each."""
    found = [{name: Estimate(x, 0.9 * x, 1.2 * x) for name in QUANTILES} for x in p50]
    rate = Estimate(2000, 1900, 2100)
    limits = Saturation(Resource("waiting", "one request at a time"), rate, Estimate())
    some = [ServerSentEvents(), Webhook(), ShortPoll(interval=0.02)]
    scenario = Scenario(workload=Workload(arrivals=Periodic(rate=100)), strategies=some)
    return Forecast(
        scenario,
        [
            Outlook(s.label, latency, Estimate(), Estimate(), {}, limits)
            for s, latency in zip(some, found, strict=True)
        ],
    )


def test_the_keys_of_a_forecast_come_from_it() -> None:
    told = forecast(0.001, 0.001, 0.020)
    assert right("11.1", 20, forecast=told) and not right("11.1", 1, forecast=told)
    assert right("11.2", 1.333, forecast=told) and not right("11.2", 1, forecast=told)
    assert [c for c in "abcd" if right("11.3", c, limits=told)] == ["c"]
    assert right("11.8", 1700, limits=told)
    elsewhere = {"ServerSentEvents": 0.002}
    assert right("11.9", 2, forecast=told, elsewhere=elsewhere)
    assert not right("11.9", 0.5, forecast=told, elsewhere=elsewhere)
    assert not right("11.8", 2000, limits=told)


def test_error_and_noise_come_from_the_measured_runs() -> None:
    scenario = Scenario(workload=Workload(arrivals=Periodic(rate=100)), strategies=[HttpIngest()])
    post = scenario.strategies[0]
    traces = [simulate(scenario, post, reference().physics, number) for number in range(3)]
    webhook = Run("Webhook", "loopback", traces)
    medians = np.array(lesson_11.medians(webhook))
    p50 = 1.1 * float(np.median(medians))
    told = forecast(p50, p50, p50)
    assert right("11.4", 10, forecast=told, measured=[webhook])
    assert not right("11.4", 0, forecast=told, measured=[webhook])
    noise = 100 * leave_one_out(medians)
    assert noise > 1 and right("11.5", noise, measured=[webhook])
    inside = int(np.sum((0.9 * p50 <= medians) & (medians <= 1.2 * p50)))
    assert right("11.6", inside, forecast=told, measured=[webhook])
    assert not right("11.6", inside - 1, forecast=told, measured=[webhook])
