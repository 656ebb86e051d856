"""Lesson 3, how often to poll: empty answers, requests, a deadline, the price of freshness, bytes."""

from collections.abc import Mapping, Sequence

import numpy as np

from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Question
from lab.metrics import Run, summarise
from lab.trace import Trace


def _empty(trace: Trace) -> Band:
    why = "exp(-λP), with λ = 20/s and P a little more than 0.1 s."
    return near(summarise(trace).empty_replies * 100, 0.12, why)


def _requests(trace: Trace) -> Band:
    return near(summarise(trace).requests_per_message, 0.06, "1/(λP), about one for two messages.")


def _interval(trace: Trace) -> Band:
    """Invert p99 = transit + 0.99·(T + RTT), with transit and RTT of the simulated poller."""
    residence = trace.parts()["broker residence"]
    transit = float((trace.latency - residence).mean())
    round_trip = trace.counters.elapsed / trace.counters.requests - 0.1
    interval = (0.1 - transit) / 0.99 - round_trip
    return near(interval * 1e3, 0.03, "Nearly the deadline itself: half of it would be wasteful.")


def _price(runs: Sequence[Run]) -> Band:
    prices = [
        summarise(trace).parts["broker residence"] * summarise(trace).requests_per_message
        for run in runs
        if run.strategy.startswith("ShortPoll")
        for trace in run.traces
    ]
    return near(float(np.median(prices)) * 1e3, 0.1, "1/(2λ) = 25 ms, whatever the interval.")


def _crossover(polled: Mapping[int, Trace], pushed: Mapping[int, Trace]) -> Band:
    """Find where bytes per message, a straight line in requests per message, meet the push."""
    rows = sorted(
        (told.requests_per_message, told.bytes_per_message)
        for told in map(summarise, polled.values())
    )
    frame = float(np.mean([summarise(trace).bytes_per_message for trace in pushed.values()]))
    requests = np.interp(frame, [amount for _, amount in rows], [each for each, _ in rows])
    return near(float(1 / requests), 0.1, "So many messages share the two heads.")


def _rare() -> Band:
    return near(15, 0.02, "Every 120 s is 30 requests an hour, for two messages.")


def _cycle(trace: Trace) -> Band:
    cycle = trace.counters.elapsed / trace.counters.requests
    why = "The interval, and on top of it the round trip and the lateness of a timer."
    return near(cycle * 1e3, 0.015, why)


QUESTIONS: tuple[Question, ...] = (
    Number(
        "3.1",
        "ShortPoll(interval=0.1) at 20 messages a second: which share of the answers is empty?",
        "%",
        _empty,
        ("Two messages come in a cycle, on average.", "exp(-2) as a percentage."),
    ),
    Number(
        "3.2",
        "And how many requests does it send per message?",
        "requests",
        _requests,
        ("How many messages come in a cycle?", "1/(λP), not λP."),
    ),
    Number(
        "3.3",
        "99 % of the messages are to have a latency of at most 100 ms. What is the longest interval"
        " that a short poll can have?",
        "ms",
        _interval,
        (
            "99 % wait less than 0.99·P.",
            "0.99·(T + RTT) and a transit of 1 to 2 ms make 100 ms; RTT is 1 to 2 ms too.",
        ),
    ),
    Number(
        "3.4",
        "At 20 messages a second: what is mean wait times requests per message, for any short poll?",
        "ms",
        _price,
        ("P cancels out.", "1/(2λ), in milliseconds."),
    ),
    Choice(
        "3.5",
        "A firewall forbids open connections, and you may send one request for two messages at most."
        " Which is the freshest that is left, at 20 messages a second?",
        {
            "a": "LongPoll()",
            "b": "ShortPoll(interval=0.05)",
            "c": "ShortPoll(interval=0.2)",
            "d": "ShortPoll(interval=1.0)",
        },
        "c",
        "It sends one request for four messages. By the formula an interval of 0.1 s is enough.",
        (
            "Which have at most 0.5 requests per message?",
            "Of those, which one has the smallest latency?",
        ),
    ),
    Number(
        "3.6",
        "With how many messages per request do poll and push cost the same bytes per message?",
        "messages",
        _crossover,
        (
            "Two rows, say of 100/s and 1000/s, give two equations b = r + h/k; subtract them to find h.",
            "Then solve r + h/k = 130 for k.",
        ),
    ),
    Number(
        "3.7",
        "Two messages an hour; the mean age of the data may be 60 s. How many requests per message"
        " does the most frugal short poll send?",
        "requests",
        _rare,
        (
            "The mean wait is half of the interval, so which interval gives 60 s?",
            "How many requests is that in an hour, and how many messages come in it?",
        ),
    ),
    Number(
        "3.8",
        "Measured with interval 0.05 s: how long is a cycle, from one request to the next?",
        "ms",
        _cycle,
        (
            "Divide the time of the run by the number of requests.",
            "seldom.counters has elapsed, in seconds, and requests.",
        ),
    ),
)
