"""Lesson 4, long polling: transits, the re-arm gap, the time-out, and what load does."""

import numpy as np

from lab import oracles
from lab.course.bands import around, near
from lab.course.quiz import Band, Choice, Number, Question, Slip
from lab.metrics import summarise
from lab.trace import Trace

HELD = 0.001  # seconds: who stays at the broker for less found a request
RATE, GAP, TIME_OUT = 25, 0.040, 1.0  # of the formula: messages a second, and seconds
THREE = 3.0  # transits: the most that RFC 6202 speaks of


def _most(trace: Trace, transit: float) -> Band:
    most = float((trace.received - trace.at_broker).max()) / transit
    low = min(0.98 * THREE, 0.97 * most)
    return Band(low, 1.03 * most, "Three, and a bit for waking up and computing.")


def _held(trace: Trace) -> Band:
    held = float((trace.left_broker - trace.at_broker < HELD).mean())
    return near(held * 100, 0.05, "The others met the re-arm gap.")


def _wait(trace: Trace) -> Band:
    wait = float((trace.left_broker - trace.at_broker).mean())
    theory = oracles.long_poll(RATE, GAP, TIME_OUT).wait
    why = "Theory with g = 40 ms says 14.6 ms; the true gap is longer by the computing."
    return around(theory * 1e3, wait * 1e3, 0.03, why)


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
            "down(polled) has the seconds of each message.",
        ),
        (
            Slip(1, "So many need those that find a request held. The slowest does not."),
            Slip(
                2,
                "It waits for the answer before it and the next request, and then travels itself.",
            ),
            Slip(0.063, "That is in seconds. How many transits of 20 ms is it?"),
        ),
    ),
    Number(
        "4.2",
        "Which share of these messages found a request held, so that it left the broker within 1 ms?",
        "%",
        _held,
        (
            "Compare left_broker and at_broker of the trace `polled`.",
            "(polled.left_broker - polled.at_broker < 0.001).mean() is the share.",
        ),
        (Slip(lambda right: 100 - right, "So many met the gap."),),
    ),
    Number(
        "4.3",
        "At 25 messages a second and g = 40 ms: what is the mean wait at the broker?",
        "ms",
        _wait,
        (
            "How much is λg? And k, since 1 - exp(-λτ) is nearly 1?",
            "Above the line stands 0.02 s, below it λg + k.",
        ),
        (
            Slip(20, "So long wait those that come in the gap. The others find a request held."),
            Slip(40, "That is the gap. Who comes in it waits for half of it on average."),
            Slip(4.5, "That is with a gap of 20 ms: the answer travels down, and the request up."),
        ),
    ),
    Number(
        "4.4",
        "Nothing comes for an hour. How many requests does LongPoll(max_wait=30) send in it?",
        "requests",
        _idle,
        ("Each is held for 30 s and then answered.", "How many times 30 s has an hour?"),
        (
            Slip(0, "What does the broker do with a held request after max_wait?"),
            Slip(1, "What does the consumer do when it has had an empty answer?"),
            Slip(3600, "That is one a second. How long is each one held?"),
        ),
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
        (
            Slip(86.5, "So many have a message."),
            Slip(36.8, "That is with a time-out of 1 s."),
            Slip(60.7, "That is with a time-out of half a second."),
        ),
    ),
    Choice(
        "4.6",
        "Why is max_wait not simply an hour?",
        {
            "a": "Messages would be up to an hour late, since they wait for the time-out.",
            "b": "The broker would have to look for new messages once a second, all the time.",
            "c": "It would cost more requests, since more of them would be under way.",
            "d": "Silent connections are cut on the way, and dead peers go unnoticed.",
        },
        "d",
        "RFC 6202 advises 30 s or so: what is in between may cut what is silent for longer.",
        (
            "Is a held request answered later if its time-out is longer?",
            "Who else, besides consumer and broker, sees the connection?",
        ),
        {
            "a": "Did the latency grow above, when max_wait was ten times as long?",
            "b": "A held request is taken up when a message comes; nobody looks for one.",
            "c": "Look at the requests per message above: which max_wait had more?",
        },
    ),
    Number(
        "4.7",
        "Measured at 2,000 messages a second: how many messages per request?",
        "messages",
        _batch,
        (
            "It is the inverse of a column of the table.",
            "summarise(fast).requests_per_message is the one to be inverted.",
        ),
        (Slip(lambda right: 1 / right, "So many requests there are per message."),),
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
        (Slip(lambda right: 1 / right, "That is the push divided by the long poll."),),
    ),
)
