"""Lesson 3, how often to poll: empty answers, requests, a deadline, the price of freshness, bytes."""

from collections.abc import Mapping, Sequence

import numpy as np

from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Question, Slip
from lab.metrics import Run, summarise
from lab.trace import Trace

DEADLINE, INTERVAL = 0.1, 0.02  # seconds


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
    interval = (DEADLINE - transit) / 0.99 - round_trip
    # An interval as long as the deadline misses it, so the band ends half-way to that.
    most = interval + (DEADLINE - interval) / 2
    why = "A little less than the deadline, by a transit and a round trip; half would be wasteful."
    return Band(0.97 * interval * 1e3, most * 1e3, why)


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
    # The interval alone is not right, unless the run says so; two decimals always are.
    off = max(0.001 * cycle, min(0.015 * cycle, (cycle - INTERVAL) / 2))
    return Band((cycle - off) * 1e3, (cycle + off) * 1e3, why)


QUESTIONS: tuple[Question, ...] = (
    Number(
        "3.1",
        "ShortPoll(interval=0.1) at 20 messages a second: which share of the answers is empty?",
        "%",
        _empty,
        ("How many messages come in a cycle, on average?", "exp(-λP), as a percentage."),
        (
            Slip(36.8, "That is with an interval of 0.05 s."),
            Slip(86.5, "So many find something."),
            Slip(50, "So many requests there are per message. How many of them find nothing?"),
        ),
    ),
    Number(
        "3.2",
        "And how many requests does it send per message?",
        "requests",
        _requests,
        ("How many messages come in a cycle?", "1/(λP), not λP."),
        (
            Slip(lambda right: 1 / right, "So many messages there are per request."),
            Slip(1, "That is with an interval of 0.05 s."),
        ),
    ),
    Number(
        "3.3",
        "99 % of the messages are to have a latency of at most 100 ms. What is the longest interval"
        " that a short poll can have?",
        "ms",
        _interval,
        (
            "All but one in a hundred wait less than 0.99·P, and then comes the transit.",
            "0.99·(T + RTT) and a transit make the deadline. For a transit see the push; RTT is two.",
        ),
        (
            Slip(100, "Then the transit, and the round trip in P = T + RTT, come on top of it."),
            Slip(200, "Half of it is the *mean* wait, and 99 of 100 messages are to be in time."),
            Slip(50, "Who waits longest waits a whole cycle. Half of that is needlessly often."),
        ),
    ),
    Number(
        "3.4",
        "At 20 messages a second: what is mean wait times requests per message, for any short poll?",
        "ms",
        _price,
        ("P cancels out.", "1/(2λ), in milliseconds."),
        (
            Slip(50, "The mean wait is P/2, not P."),
            Slip(100, "The mean wait is P/2, and there are 1/(λP) requests per message."),
        ),
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
        {
            "a": "Its request is held: that is a connection which is open and silent.",
            "b": "It sends about one request for each message.",
            "d": "It sends few enough requests, but it is not the freshest that does.",
        },
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
        (Slip(lambda right: 1 / right, "So many requests there are per message."),),
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
        (
            Slip(
                30,
                "A factor of two is missing: is 60 s the mean wait, or the longest? And how many"
                " messages share the requests of an hour?",
            ),
            Slip(60, "The mean wait is half of the interval, and two messages share the requests."),
            Slip(1 / 15, "So many messages there are per request."),
        ),
    ),
    Number(
        "3.8",
        "Measured with interval 0.02 s: how long is a cycle, from one request to the next? (Two"
        " decimals.)",
        "ms",
        _cycle,
        (
            "Divide the time of the run by the number of requests.",
            "often.counters has elapsed, in seconds, and requests.",
        ),
        (
            Slip(20, "That is the interval alone. It begins only when the last answer is there."),
            Slip(lambda right: 1000 / right, "So many requests there are in a second."),
        ),
    ),
)
