"""Lesson 6, batching: full batches, linger, what a batch saves, who chooses, rows in a database."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab import oracles
from lab.compare import Comparison
from lab.course.bands import around, near
from lab.course.quiz import Band, Choice, Number, Question, Slip, Task
from lab.metrics import Run, summarise
from lab.trace import Trace
from lab.workload import Workload

MANY = 100  # messages in the largest batch
SINGLE, TRANSACTION = 1, 100  # rows
BUDGET, RATE = 5, 200  # messages for each request, and a second
BATCH = 10
FAST, LIMIT = 1_000, 0.010  # rows a second, seconds of waiting


def _workload(trace: Trace) -> Workload:
    return Workload.read(trace.manifest["scenario"]["workload"], "manifest")


def _wait(run: Run) -> float:
    waits = [summarise(trace).parts["broker residence"] for trace in run.traces]
    return float(np.mean(waits)) * 1e3


def _knobs(trace: Trace) -> Mapping[str, float]:
    index = trace.manifest["strategy_index"]
    return dict(trace.manifest["scenario"]["strategies"][index])


def _rate(run: Run) -> float:
    return _workload(run.traces[0]).arrivals.mean_rate


def _full(run: Run) -> Band:
    size = int(_knobs(run.traces[0])["batch_size"])
    expected = oracles.fixed_batch_wait_mean(_rate(run), size) * 1e3
    return around(expected, _wait(run), 0.02, "Nine others, 5 ms apart, and half of it on average.")


def _linger(run: Run) -> Band:
    linger = _knobs(run.traces[0])["linger"]
    expected = oracles.linger_wait_mean(_rate(run), linger) * 1e3
    return around(expected, _wait(run), 0.03, "More than half, since the first waits all of it.")


def _bytes(runs: Sequence[Run]) -> Band:
    single, ten, hundred = (
        float(np.mean([summarise(trace).bytes_per_message for trace in run.traces])) for run in runs
    )
    shared = (single - ten) / (1 - 1 / BATCH)
    expected = single - shared + shared / MANY
    return around(expected, hundred, 0.01, "What is shared has all but gone; the message remains.")


def _next(run: Run) -> Band:
    trace = run.traces[0]
    workload, slow = _workload(trace), trace.manifest["scenario"]["faults"][0]
    expected = workload.arrivals.mean_rate * BATCH * workload.work.mean * slow["times"]
    return near(expected, 0.02, "Each answer is 1.6 times as large as the last, until the limit.")


def _gain(rates: Mapping[int, Sequence[float]]) -> Band:
    many, single = (np.asarray(rates[batch]) for batch in (TRANSACTION, SINGLE))
    why = "On another disk, and with other promises, it is another number."
    return around(float(many.mean() / single.mean()), float((many / single).mean()), 0.05, why)


def _largest() -> Band:
    return Band(1 + 2 * FAST * LIMIT, 1 + 2 * FAST * LIMIT, "One more, and the mean exceeds 10 ms.")


def _fresh(answer: Any) -> str:
    """Ask for a run with one request for `BUDGET` messages: not more, and hardly fewer."""
    if not isinstance(answer, Comparison) or not answer.runs:
        return 'need a run: compare(steady(Webhook(...)), engines=["simulation"]).'
    rate, requests = _rate(answer.runs[0]), answer.results[-1].requests_per_message.mean
    if rate != RATE:
        return f"in this run {rate:g} messages come a second; need {RATE}."
    if requests > 1.01 / BUDGET:
        return f"this run has {requests:.3f} requests for each message; need {1 / BUDGET} at most."
    if requests < 0.95 / BUDGET:
        return f"with {requests:.3f} requests for each message, they could be fresher."
    return ""


QUESTIONS: tuple[Question, ...] = (
    Number(
        "6.1",
        "How long do messages wait at the broker for a batch of ten, on average?",
        "ms",
        _full,
        (
            "For how many others does the first one wait, and for how many the last?",
            "The first waits for nine others, the last for none. How far apart do they come?",
        ),
        (
            Slip(25, "That is half of ten gaps. For how many others does the first one wait?"),
            Slip(45, "So long waits the first. The last does not wait at all."),
            Slip(50, "So long it takes for ten to come. Who waits for how much of it?"),
            Slip(5, "That is the time between two messages."),
        ),
    ),
    Number(
        "6.2",
        "How long do messages wait with a linger time of 20 ms, on average, at 200 a second?",
        "ms",
        _linger,
        (
            "Put L = 0.02 s and λ = 200/s into the formula.",
            "How many follow the first one in 20 ms, and how long do they wait on average?",
        ),
        (
            Slip(10, "That is the mean of those that follow. The first one waits longer."),
            Slip(20, "So long waits the first one. Those that follow wait less."),
        ),
    ),
    Number(
        "6.3",
        "How many bytes does a message need in a batch of 100, by the rule a + b/B from the runs with"
        " 1 and 10?",
        "bytes",
        _bytes,
        (
            "a + b is the first number, a + b/10 the second. Subtract.",
            "Then b is known, and a is what is left of the first number.",
        ),
        (
            Slip(101.1, "That is a alone. A hundredth of b is left as well."),
            Slip(3.37, "Only what is shared, b, becomes less; each message has its own bytes, a."),
            Slip(33.7, "Only what is shared, b, becomes less; each message has its own bytes, a."),
        ),
    ),
    Number(
        "6.4",
        "The slow consumer (8 ms a message) begins to work on an answer with ten messages. With how"
        " many will the next answer come, on average?",
        "messages",
        _next,
        (
            "How long does it work on the ten?",
            "How many messages come in that time, at 200 a second?",
        ),
        (
            Slip(10, "It works on ten for 80 ms. Do only ten come in that time?"),
            Slip(4, "That is with 2 ms a message, as long as it is not slow."),
            Slip(50, "So many are in it at most. How many come in the time of work?"),
            Slip(1.6, "So many come during the work on one message. It works on ten."),
            Slip(80, "That is the time of work in milliseconds. How many come in it?"),
        ),
    ),
    Choice(
        "6.5",
        "Why do the batches of the WebSocket not grow while the consumer is slow?",
        {
            "a": "the broker does not know; it sends when the linger is over",
            "b": "they are full already: 20 is their limit",
            "c": "a WebSocket cannot carry messages that are larger than these",
            "d": "the consumer asks for small ones, in order to keep up with them",
        },
        "a",
        "The messages wait all the same: at the consumer, where you do not see them in this figure.",
        (
            "Which side decides when a pushed batch is sent?",
            "Look at their sizes: are they at the limit?",
        ),
        {
            "b": "Look at the figure: how many messages has a pushed batch?",
            "c": "A frame may have megabytes.",
            "d": "A consumer of a push asks for nothing.",
        },
    ),
    Number(
        "6.6",
        "How many times as many rows a second go into SQLite with 100 rows in a transaction as with"
        " one?",
        "",
        _gain,
        ("Divide two means.", "np.mean(rates[100]) is one of them."),
        (
            Slip(lambda right: 1 / right, "That is single rows divided by hundreds."),
            Slip(100, "So it would be if a row cost nothing, and only transactions did."),
        ),
    ),
    Number(
        "6.7",
        "Rows come at 1,000 a second. What is the largest batch with which they wait at most 10 ms on"
        " average until it is full?",
        "rows",
        _largest,
        (
            "Use (B - 1) / (2λ).",
            "Solve it for B. Mind that the wait is in seconds.",
        ),
        (
            Slip(20, "With 20 they wait less than 10 ms: for how many others does the first wait?"),
            Slip(10, "So many come in 10 ms. But only the first waits for all the others."),
            Slip(11, "With 11 the *first* waits 10 ms. How long do they wait on average?"),
            Slip(20_001, "The wait is in milliseconds, and the rate in messages a second."),
        ),
    ),
    Task(
        "6.8",
        "Run a webhook with the shortest linger time that makes one request for five messages.",
        _fresh,
        "1 + λL messages in each request: λL is four, and L is 20 ms.",
        (
            "A request carries 1 + λL messages.",
            "How large must λL be? The first of the five is not among those that follow.",
        ),
    ),
)
