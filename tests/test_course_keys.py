"""Keys that come from a student's own runs: right answers pass, and the tempting wrong ones do not."""

import numpy as np
import pytest

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
from lab.course.questions import lesson_10, lesson_11
from lab.course.quiz import Quiz
from lab.faults import StalledLoop
from lab.metrics import Run
from lab.physics import reference
from lab.prediction.forecast import QUANTILES, Estimate, Forecast, Outlook, Resource, Saturation
from lab.strategies import Strategy
from lab.trace import Trace


def quiz(questions: tuple) -> Quiz:
    return Quiz(questions, say=lambda text: None)


def right(quiz: Quiz, id: str, answer: object, **evidence: object) -> bool:
    """Check an answer, and say whether it is right."""
    quiz.check(id, answer, **evidence)
    return id in quiz.right


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
    asked, kept = quiz(lesson_10.QUESTIONS), closed_loop(trace)
    assert right(asked, "10.1", 0.05, trace=trace)
    assert right(asked, "10.2", 0.09, trace=trace)
    for wrong in (0, 0.1, float(np.quantile(trace.latency[kept], 0.995)), trace.latency.mean()):
        assert not right(asked, "10.1", wrong, trace=trace), wrong
        assert not right(asked, "10.2", wrong, trace=trace), wrong
    assert right(asked, "10.3", 99, trace=trace, kept=kept)
    assert not right(asked, "10.3", 0, trace=trace, kept=kept)
    assert not right(asked, "10.4", 1, trace=trace, kept=kept)


def test_a_client_that_waits_reports_a_stall_in_its_maximum_only() -> None:
    waiting = stalled(HttpIngest(concurrency=1), 4, 300, "target", 1.0)
    asked = quiz(lesson_10.QUESTIONS)
    assert [letter for letter in "abcd" if right(asked, "10.7", letter, waiting=waiting)] == ["d"]


@pytest.mark.parametrize(
    ("b", "key"), [([9, 10, 11], "c"), ([19, 20, 21], "a"), ([1, 1.1, 1.2], "b")]
)
def test_means_differ_if_their_intervals_are_apart(b: list[float], key: str) -> None:
    asked = quiz(lesson_10.QUESTIONS)
    found = [
        letter for letter in "abcd" if right(asked, "10.10", letter, means_a=[9, 10, 12], means_b=b)
    ]
    assert found == [key]


def forecast(p50: float) -> Forecast:
    found = {name: Estimate(p50, 0.9 * p50, 1.2 * p50) for name in QUANTILES}
    rate = Estimate(2000, 1900, 2100)
    limits = Saturation(Resource("waiting", "one request at a time"), rate, Estimate())
    some = [ServerSentEvents(), Webhook(), ShortPoll(interval=0.02)]
    scenario = Scenario(workload=Workload(arrivals=Periodic(rate=100)), strategies=some)
    return Forecast(
        scenario,
        [Outlook(s.label, found, Estimate(), Estimate(), {}, limits) for s in some],
    )


def test_the_keys_of_a_forecast_come_from_it() -> None:
    asked, told = quiz(lesson_11.QUESTIONS), forecast(0.001)
    assert right(asked, "11.1", 1, forecast=told)
    assert right(asked, "11.2", 1.333, forecast=told) and not right(asked, "11.2", 1, forecast=told)
    assert [c for c in "abcd" if right(asked, "11.3", c, limits=told)] == ["c"]
    assert right(asked, "11.8", 1700, limits=told)
    assert not right(asked, "11.8", 2000, limits=told)


def test_error_and_noise_come_from_the_measured_runs() -> None:
    asked = quiz(lesson_11.QUESTIONS)
    scenario = Scenario(workload=Workload(arrivals=Periodic(rate=100)), strategies=[HttpIngest()])
    trace = simulate(scenario, scenario.strategies[0], reference().physics)
    webhook = Run("Webhook", "loopback", [trace, trace, trace])
    p50 = lesson_11.medians(webhook)[0]
    told = forecast(1.1 * p50)
    assert right(asked, "11.4", 10, forecast=told, measured=[webhook])
    assert not right(asked, "11.4", 0, forecast=told, measured=[webhook])
    assert right(asked, "11.5", 0, measured=[webhook])
    assert right(asked, "11.6", 3, forecast=told, measured=[webhook])
    assert not right(asked, "11.6", 2, forecast=told, measured=[webhook])
