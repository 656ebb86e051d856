"""Lesson 4, long polling: transits, the re-arm gap, the time-out, and what load does."""

import numpy as np

from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Question
from lab.metrics import summarise
from lab.trace import Trace

HELD = 0.001  # seconds: who stays at the broker for less found a request


def _most(trace: Trace, transit: float) -> Band:
    most = float((trace.received - trace.at_broker).max()) / transit
    return Band(0.92 * most, 1.03 * most, "Three, and a bit for waking up and computing.")


def _held(trace: Trace) -> Band:
    held = float((trace.left_broker - trace.at_broker < HELD).mean())
    return near(held * 100, 0.05, "The others met the re-arm gap.")


def _wait(trace: Trace) -> Band:
    wait = float((trace.left_broker - trace.at_broker).mean())
    why = "Theory with g = 40 ms says 7.5 ms; the true gap is longer by the computing."
    return near(wait * 1e3, 0.1, why)


def _idle() -> Band:
    return near(120, 0.01, "One every 30 s: 3600/30. A short poll every 0.1 s sends 36,000.")


def _empty(trace: Trace) -> Band:
    share = summarise(trace).empty_replies * 100
    exact = float(np.exp(-2.0)) * 100
    low, high = min(0.95 * exact, 0.95 * share), max(1.05 * exact, 1.05 * share)
    return Band(low, high, "exp(-λτ): nothing came for the whole time-out.")


def _batch(trace: Trace) -> Band:
    return near(1 / summarise(trace).requests_per_message, 0.03, "Those that met the gap together.")


def _behind(push: Trace, poll: Trace) -> Band:
    ratio = float(np.median(poll.latency) / np.median(push.latency))
    return near(ratio, 0.05, "The gap, on top of what a request costs more than a frame.")


QUESTIONS: tuple[Question, ...] = (
    Number(
        "4.1",
        "At 20 messages a second: how many transits did the slowest message need from the broker to"
        " the consumer?",
        "transits",
        _most,
        (
            "The answer before it travels down, the next request up, its own answer down.",
            "down(polled).max() / TRANSIT",
        ),
    ),
    Number(
        "4.2",
        "Which share of these messages found a request held, so that it left the broker within 1 ms?",
        "%",
        _held,
        (
            "Compare left_broker and at_broker of the trace `polled`.",
            "(polled.left_broker - polled.at_broker < 0.001).mean()",
        ),
    ),
    Number(
        "4.3",
        "At 10 messages a second and g = 40 ms: what is the mean wait at the broker?",
        "ms",
        _wait,
        (
            "λg is 0.4, and k is exp(-0.4) times nearly 1.",
            "(10 · 0.04² / 2) / (0.4 + 0.67), in seconds.",
        ),
    ),
    Number(
        "4.4",
        "Nothing comes for an hour. How many requests does LongPoll(max_wait=30) send in it?",
        "requests",
        _idle,
        ("Each is held for 30 s and then answered.", "3600 s divided by the time-out."),
    ),
    Number(
        "4.5",
        "One message a second, max_wait 2 s, near by. Which share of the answers is empty?",
        "%",
        _empty,
        (
            "A request that is held for 2 s is answered empty if nothing comes in that time.",
            "exp(-λτ), as a percentage.",
        ),
    ),
    Choice(
        "4.6",
        "Why is max_wait not simply an hour?",
        {
            "a": "Because messages would be up to an hour late.",
            "b": "Because the broker would have to look for new messages 3,600 times.",
            "c": "Because it would cost more requests.",
            "d": "Because what is in between cuts silent connections, and a dead peer must be noticed.",
        },
        "d",
        "RFC 6202 advises 30 s or so for that reason.",
        (
            "Is a held request answered later if its time-out is longer?",
            "Who else, besides consumer and broker, sees the connection?",
        ),
    ),
    Number(
        "4.7",
        "Measured at 2,000 messages a second: how many messages per request?",
        "messages",
        _batch,
        (
            "It is the inverse of a column of the table.",
            "1 / summarise(fast).requests_per_message",
        ),
    ),
    Number(
        "4.8",
        "Measured at 2,000 messages a second: how many times as long is the median latency of the"
        " long poll as that of the push?",
        "",
        _behind,
        (
            "Divide two values of the column p50, both measured.",
            "np.median(fast.latency) is one of them, in seconds.",
        ),
    ),
)
