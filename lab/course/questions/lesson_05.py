"""Lesson 5, what a connection costs: keep-alive, new connections, idle WebSockets, break-even."""

from collections.abc import Callable
from typing import Any

import numpy as np

from lab.compare import Comparison
from lab.course.bands import near, over
from lab.course.quiz import Band, Choice, Number, Question, Slip, Task
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
        (Slip(lambda right: 1 / right, "That is the kept connection divided by the new one."),),
    ),
    Number(
        "5.2",
        "How many times as many bytes as a WebSocket frame does a POST over a kept connection need?",
        "",
        _larger,
        (
            "The column 'bytes' has both numbers.",
            "kept.bytes_per_message.mean is one of them.",
        ),
        (
            Slip(lambda right: 1 / right, "That is the frame divided by the POST."),
            Slip(lambda right: right - 1, "So many times as many *more*: leave the one in."),
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
            "a": "after 20 ms: a way, since the request travels with the first packet",
            "b": "after 40 ms: a round trip, in which the request travels along",
            "c": "after 60 ms: a round trip for the connection, then a way",
            "d": "after 100 ms: two round trips, then a way",
        },
        "c",
        "With TLS 1.3 it would be d. Over a kept connection, or in a WebSocket, it is a.",
        (
            "Before the request can leave, one packet goes there and one comes back.",
            "Add the way of the request itself.",
        ),
        {
            "a": "So it would be over a connection that is there already.",
            "b": "The request leaves when the round trip is over.",
            "d": "So it would be with TLS 1.3.",
        },
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
        (
            Slip(120, "That is in an hour."),
            Slip(1, "That is the one with the update in its answer. What of those that are empty?"),
            Slip(30, "That is one a minute: the short poll."),
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
        (
            Slip(lambda right: right * 10 / 16, "The pongs cost bytes, too."),
            Slip(lambda right: right * 6 / 16, "The pings cost bytes, too."),
            Slip(lambda right: right / 3600, "That is a second; an hour is asked for."),
            Slip(lambda right: right / 180, "That is in the time of one ping. An hour has 180."),
            Slip(lambda right: 60 / right, "That is the minutes between two of them."),
        ),
    ),
    Number(
        "5.7",
        "How many idle WebSockets fit into 1 GB (1e9 bytes), if both ends count?",
        "",
        _fit,
        ("Divide 1e9 by the bytes that one of them holds.", "idle.memory.mean is in bytes."),
        (
            Slip(lambda right: 1000 * right, "One of them holds kilobytes, not bytes."),
            Slip(lambda right: 2 * right, "The figure above is that of both ends together."),
            Slip(lambda right: right / 2, "The figure above is that of both ends already."),
        ),
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
