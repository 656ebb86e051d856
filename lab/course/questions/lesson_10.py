"""Questions of lesson 10, the lying benchmark: the keys come from the student's own traces."""

import math
from collections.abc import Sequence

import numpy as np

from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Slip
from lab.metrics import Interval
from lab.trace import Floats, Trace

SURE = 1.96  # standard deviations on either side that hold 95 %
EXACT = 0.0005  # of a count that is to be right to the last one
SHOWN = 0.5  # of the stall: a figure that large shows it


def quantile_band(latency: Floats, share: float, why: str = "") -> Band:
    """Return the 95 % interval of a quantile: the order statistics around its rank."""
    ordered, count = np.sort(latency), len(latency)
    spread = SURE * math.sqrt(count * share * (1 - share))
    low = max(0, math.floor(count * share - spread))
    high = min(count - 1, math.ceil(count * share + spread))
    return Band(float(ordered[low]), float(ordered[high]), why)


def _p995(trace: Trace) -> Band:
    why = "One message in 100 meets the stall; half of those wait longer than half of it."
    return quantile_band(trace.latency, 0.995, why)


def _p999(trace: Trace) -> Band:
    why = "A tenth of those that meet the stall come in its first tenth and wait 0.9 s and more."
    return quantile_band(trace.latency, 0.999, why)


def _left_out(trace: Trace, kept: Sequence[int]) -> Band:
    fault = trace.manifest["scenario"]["faults"][0]
    start, end = fault["at"], fault["at"] + fault["duration"]
    met = np.flatnonzero((trace.created >= start) & (trace.created < end))
    missing = len(np.setdiff1d(met, kept))
    return near(missing, EXACT, "It took one sample of the stall. The others it never sent.")


def _how_wrong(trace: Trace, kept: Sequence[int]) -> Band:
    honest = quantile_band(trace.latency, 0.995)
    told = float(np.quantile(trace.latency[kept], 0.995))
    return Band(honest.low / told, honest.high / told, "Same system, same second, two stories.")


def _measured_p95(measured: Trace) -> Band:
    return quantile_band(measured.latency, 0.95, "The same rule, on real connections.")


def _shows(waiting: Trace) -> str:
    """Return the first figure of the waiting client's own report that shows the stall."""
    stall = waiting.manifest["scenario"]["faults"][0]["duration"]
    told = waiting.acked - waiting.left_broker
    for letter, share in (("a", 0.5), ("b", 0.95), ("c", 0.99)):
        if np.quantile(told, share) > SHOWN * stall:
            return letter
    return "d"


def _bias(means: Sequence[float], theory: float) -> Band:
    why = "A queue that starts empty has to fill first; until then everybody is lucky."
    return near(100 * (1 - float(np.mean(means)) / theory), 0.03, why)


def _beyond(samples: int) -> Band:
    return near(samples / 1000, why="Less than one message: what is printed is about the maximum.")


def _apart(means_a: Sequence[float], means_b: Sequence[float]) -> str:
    a, b = Interval.over(means_a), Interval.over(means_b)
    if a.high < b.low:
        return "a"
    return "b" if b.high < a.low else "c"


QUESTIONS = (
    Number(
        "10.1",
        "The server stands still for 1 s in a run of 100 s at 1,000 messages/s. What is p99.5 of"
        " the latency, counted from the time at which each message was meant to be sent?",
        "s",
        _p995,
        (
            "What share of the 100,000 messages is meant to be sent while the server stands still?",
            "Those wait between 0 and 1 s. Where among them is p99.5?",
        ),
        (
            Slip(1, "So long waits only the first one that meets the stall."),
            Slip(0.995, "The quantile is one of all messages, and few of them meet the stall."),
            Slip(0.25, "Those that meet it are one in a hundred, and p99.5 is the middle of them."),
            Slip(0.01, "That is the mean wait over all messages, or twice that."),
            Slip(0.0003, "That is a good day. But one message in a hundred meets the stall."),
        ),
    ),
    Number(
        "10.2",
        "And p99.9?",
        "s",
        _p999,
        (
            "One message in 1,000 is slower than that: 100 messages. Which ones?",
            "They are those that were meant to be sent first after the server had stopped.",
        ),
        (
            Slip(1, "So long waits only the first one of them."),
            Slip(0.999, "The quantile is one of all messages, and few of them meet the stall."),
            Slip(0.99, "100 messages wait longer than p99.9, not 10."),
            Slip(0.1, "Those that come first wait longest."),
            Slip(0.5, "That is p99.5."),
        ),
    ),
    Number(
        "10.3",
        "How many of the messages that were meant to be sent during the stall did the client that"
        " waits for its answers never send?",
        "messages",
        _left_out,
        (
            "Count the rows created between 50 s and 51 s, and those of them in `kept`.",
            "The client was waiting for one of them all the time.",
        ),
        (
            Slip(1000, "So many were due. Did it send none of them?"),
            Slip(1, "That one it sent."),
        ),
    ),
    Number(
        "10.4",
        "How many times as large is p99.5 of the open loop as that of the closed loop?",
        "times",
        _how_wrong,
        ("Divide the two numbers in the column p99.5 of the table, both in the same unit.",),
        (Slip(lambda right: 1 / right, "That is the closed loop divided by the open one."),),
    ),
    Choice(
        "10.5",
        "Now the sender stood still, not the server. Which pair of stamps hides that?",
        {
            "a": "done - created, from the intended time to the end of the work",
            "b": "done - sent, from the actual sending to the end of the work",
            "c": "both hide it",
            "d": "neither hides it",
        },
        "b",
        "A message that is sent late is late, but the clock of (b) starts only when it leaves.",
        ("Compare p99.5 in the two rows of the table with the second that was lost.",),
        {
            "a": "It starts when the message was meant to be sent. Who waited from then on?",
            "c": "Look at the first row: is it nowhere near a second?",
            "d": "Look at the second row: is it anywhere near a second?",
        },
    ),
    Number(
        "10.6",
        "On real connections the server stands still for 0.5 s in 5 s. What is p95 of the open loop?",
        "s",
        _measured_p95,
        (
            "Use the rule of 10.1: what share of the messages meets the stall?",
            "Where among those is p95?",
        ),
        (
            Slip(0.5, "So long waits only the first one that meets the stall."),
            Slip(0.475, "The quantile is one of all messages, and one in ten meets the stall."),
            Slip(0.45, "That is p99."),
            Slip(0.95, "No message can wait for longer than the stall, or hardly."),
        ),
    ),
    Choice(
        "10.7",
        "A real client with one request at a time, and a stall of 1 s. Which is the first figure in"
        " its own report, request by request, that shows the stall?",
        {"a": "the median", "b": "p95", "c": "p99", "d": "only the maximum"},
        _shows,
        "One request of all took 1 s. A report without the maximum says that nothing happened.",
        ("Look for the first number near 1 s in the row 'closed loop'.",),
    ),
    Number(
        "10.8",
        "By how many per cent is the mean of the short runs below theory?",
        "%",
        _bias,
        (
            "100 × (1 - mean of the short runs / theory).",
            "The mean of the short runs is np.mean(short_runs).",
        ),
        (
            Slip(
                lambda right: 100 * right / (100 - right),
                "So far is theory *above* the short runs. Divide by theory.",
            ),
            Slip(lambda right: 100 - right, "So much of theory the short runs have."),
            Slip(lambda right: -right, "Below: count it as positive."),
        ),
    ),
    Number(
        "10.9",
        "How many messages of a run of 500 are slower than the true p99.9, on average?",
        "messages",
        _beyond,
        ("How many of a thousand are slower?", "And of 500, on average?"),
        (
            Slip(5, "That is one in a hundred."),
            Slip(1, "That is of a thousand."),
            Slip(499.5, "So many are faster."),
            Slip(0.05, "That is one in ten thousand."),
        ),
    ),
    Choice(
        "10.10",
        "You have five runs of A and five of B, with intervals. What may you say?",
        {
            "a": "A is faster than B",
            "b": "B is faster than A",
            "c": "no difference has been shown",
            "d": "A and B are equally fast: it has been shown",
        },
        _apart,
        "A and B are the same system. An interval that overlaps shows no difference; it does not"
        " show that there is none.",
        (
            "Do the intervals overlap?",
            "Not seeing a difference is not the same as seeing that there is none.",
        ),
    ),
)
