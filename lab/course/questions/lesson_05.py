"""Lesson 5, what a connection costs: keep-alive, new connections, idle WebSockets, break-even."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lab.compare import Comparison
from lab.course.bands import near, over
from lab.course.quiz import Band, Choice, Number, Question, Task
from lab.idle import IdleCost
from lab.metrics import Interval, Metrics, Run, summarise

HALF_HOUR, HELD = 1_800, 30  # seconds
PINGS = 3_600 / 20  # an hour
MOST, CLOSE = 1.1, 0.005  # times as many bytes


def _each(run: Run, metric: Callable[[Metrics], float]) -> list[float]:
    return [metric(summarise(trace)) for trace in run.traces]


def _ratios(run: Run, other: Run, metric: Callable[[Metrics], float]) -> list[float]:
    pairs = zip(_each(run, metric), _each(other, metric), strict=True)
    return [a / b for a, b in pairs]


def _bytes(run: Run) -> float:
    return float(np.mean(_each(run, lambda metrics: metrics.bytes_per_message)))


def _slower(kept: Run, new: Run) -> Band:
    pairs = _ratios(new, kept, lambda metrics: metrics.latency["p50"])
    return over(pairs, 0.03, "Work for the connection, on both sides, before the message is there.")


def _larger(stream: Run, kept: Run) -> Band:
    pairs = _ratios(kept, stream, lambda metrics: metrics.bytes_per_message)
    return over(pairs, 0.03, "The heads of a request and of its answer; a frame has a few bytes.")


def _measured(kept: Run, new: Run) -> str:
    ratios = [
        float(np.median(a.latency) / np.median(b.latency))
        for a, b in zip(new.traces, kept.traces, strict=True)
    ]
    interval = Interval.over(ratios)
    return "a" if interval.low > 1 else "b" if interval.high < 1 else "c"


def _held(run: Run) -> Band:
    counted = _each(run, lambda metrics: metrics.requests_per_message)
    expected = near(HALF_HOUR / HELD, 0.02)
    seen = over(counted, 0.01, "Half an hour has 60 times 30 s, and one request has the answer.")
    return Band(min(expected.low, seen.low), max(expected.high, seen.high), seen.why)


def _break_even(post: Run, stream: Run, ping_and_pong: float) -> Band:
    rate = PINGS * ping_and_pong / (_bytes(post) - _bytes(stream))
    return near(rate, 0.03, "Below that the POST is cheaper, above it the WebSocket.")


def _fit(idle: IdleCost) -> Band:
    return near(1e9 / idle.memory.mean, 0.05, "The kernel needs memory for each besides.")


def _heads_hardly_matter(answer: Any) -> str:
    """Ask for a run in which a POST needs `MOST` times as many bytes as a frame, about."""
    if not isinstance(answer, Comparison) or len(answer.runs) < 2:
        return 'need a run: compare(messages(size=...), engines=["simulation"]).'
    frame, post = (_bytes(run) for run in answer.runs[:2])
    if abs(post / frame - MOST) < CLOSE:
        return ""
    return f"in this run a POST needs {post / frame:.3f} times as many bytes; need {MOST}."


QUESTIONS: tuple[Question, ...] = (
    Number(
        "5.1",
        "Simulated: how many times as long as over a kept connection does a POST over a new one"
        " take, at the median?",
        "",
        _slower,
        (
            "Divide two medians of the table.",
            'new.latency["p50"].mean is the one with new connections; kept has the other.',
        ),
    ),
    Number(
        "5.2",
        "How many times as many bytes as a WebSocket frame does a POST over a kept connection need?",
        "",
        _larger,
        (
            "The column 'bytes' has both numbers.",
            "kept.bytes_per_message.mean / stream.bytes_per_message.mean",
        ),
    ),
    Choice(
        "5.3",
        "What do the measured runs say about your machine?",
        {
            "a": "a new connection takes longer: the whole interval of the ratio is above 1",
            "b": "a new connection is faster: the whole interval is below 1",
            "c": "these runs cannot tell: the interval contains 1",
        },
        _measured,
        "The interval decides, not the mean alone.",
        ("Look at the interval that was printed, not at your expectation.",),
    ),
    Choice(
        "5.4",
        "The consumer is far away: a way takes 20 ms, a round trip 40 ms. When is a message there,"
        " after it was created, if its POST needs a new TCP connection (without TLS)?",
        {
            "a": "after 20 ms, as over a kept connection",
            "b": "after 40 ms: a round trip",
            "c": "after 60 ms: a round trip for the connection, and a way for the request",
            "d": "after 100 ms: two round trips and a way",
        },
        "c",
        "With TLS 1.3 it would be d. Over a kept connection, or in a WebSocket, it is a.",
        (
            "Before the request can leave, one packet goes there and one comes back.",
            "Add the way of the request itself.",
        ),
    ),
    Number(
        "5.5",
        "How many requests for each update does the long poll need, which is held for 30 s?",
        "",
        _held,
        (
            "It asks again as soon as it was answered.",
            "How many times 30 s has half an hour? The column 'requests' has the number, too.",
        ),
    ),
    Number(
        "5.6",
        "From how many updates an hour on does the open WebSocket need fewer bytes than a POST"
        " over a new connection for each update?",
        "updates an hour",
        _break_even,
        (
            "Solve the equation above for r. An hour has 180 pings.",
            "Each update costs post - frame bytes more as a POST.",
        ),
    ),
    Number(
        "5.7",
        "How many idle WebSockets fit into 1 GB (1e9 bytes), if both ends count?",
        "",
        _fit,
        ("Divide 1e9 by the bytes that one of them holds.", "1e9 / idle.memory.mean"),
    ),
    Task(
        "5.8",
        "Run messages of a size at which a POST needs 1.1 times as many bytes as a frame.",
        _heads_hardly_matter,
        "For messages of two kilobytes or more the head does not count for much.",
        (
            "What a POST has more than a frame is about the same at every size: how much is it?",
            "If that is h bytes, you look for the size of which h is about a tenth.",
        ),
    ),
)
