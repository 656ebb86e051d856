"""Lesson 6, batching: full batches, linger, what a batch saves, who chooses, rows in a database."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lab import oracles
from lab.compare import Comparison
from lab.course.bands import near, over
from lab.course.quiz import Band, Choice, Number, Question, Task
from lab.metrics import Run, summarise
from lab.trace import Trace
from lab.workload import Workload

MANY = 100  # messages in the largest batch
SINGLE, TRANSACTION = 1, 100  # rows
BUDGET, RATE = 5, 200  # messages for each request, and a second
BATCH = 10
FAST, LIMIT = 1_000, 0.010  # rows a second, seconds of waiting


def _around(expected: float, seen: Sequence[float], why: str) -> Band:
    """Return the band that holds what theory expects and what was simulated."""
    theory, found = near(expected, 0.03), over(seen, 0.03)
    return Band(min(theory.low, found.low), max(theory.high, found.high), why)


def _workload(trace: Trace) -> Workload:
    return Workload.read(trace.manifest["scenario"]["workload"], "manifest")


def _waits(run: Run) -> list[float]:
    return [summarise(trace).parts["broker residence"] * 1e3 for trace in run.traces]


def _knobs(trace: Trace) -> Mapping[str, float]:
    index = trace.manifest["strategy_index"]
    return dict(trace.manifest["scenario"]["strategies"][index])


def _rate(run: Run) -> float:
    return _workload(run.traces[0]).arrivals.mean_rate


def _full(run: Run) -> Band:
    size = int(_knobs(run.traces[0])["batch_size"])
    expected = oracles.fixed_batch_wait_mean(_rate(run), size) * 1e3
    return _around(expected, _waits(run), "Nine others, 5 ms apart, and half of that on average.")


def _linger(run: Run) -> Band:
    linger = _knobs(run.traces[0])["linger"]
    expected = oracles.linger_wait_mean(_rate(run), linger) * 1e3
    return _around(expected, _waits(run), "More than half of it, since the first waits all of it.")


def _bytes(runs: Sequence[Run]) -> Band:
    single, ten, hundred = (
        float(np.mean([summarise(trace).bytes_per_message for trace in run.traces])) for run in runs
    )
    shared = (single - ten) / (1 - 1 / BATCH)
    expected = single - shared + shared / MANY
    return _around(expected, [hundred], "What is shared has all but gone; the message remains.")


def _next(run: Run) -> Band:
    trace = run.traces[0]
    workload, slow = _workload(trace), trace.manifest["scenario"]["faults"][0]
    expected = workload.arrivals.mean_rate * BATCH * workload.work.mean * slow["times"]
    return near(expected, 0.02, "Each answer is 1.6 times as large as the last, until the limit.")


def _gain(rates: Mapping[int, Sequence[float]]) -> Band:
    gains = [many / one for many, one in zip(rates[TRANSACTION], rates[SINGLE], strict=True)]
    wide = over(gains, 0.05, "On another disk, and with other promises, it is another number.")
    return Band(min(wide.low, *gains), max(wide.high, *gains), wide.why)


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
            "Half of nine times 1/200 s. Mind the unit.",
        ),
    ),
    Number(
        "6.2",
        "How long do messages wait with a linger time of 20 ms, on average, at 200 a second?",
        "ms",
        _linger,
        (
            "Put L = 0.02 s and λ = 200/s into the formula.",
            "λL is 4: the first waits 20 ms, and four others 10 ms each. Take the mean of the five.",
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
            "b is (single - ten) / 0.9, and a is single - b.",
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
            "80 ms. How many messages come in that time, at 200 a second?",
        ),
    ),
    Choice(
        "6.5",
        "Why do the batches of the WebSocket not grow while the consumer is slow?",
        {
            "a": "a WebSocket cannot carry larger batches",
            "b": "they are full: 20 is their limit",
            "c": "the broker does not know; it sends when the linger time is over, as before",
            "d": "the consumer asked for small ones",
        },
        "c",
        "The messages wait all the same: at the consumer, where you do not see them in this figure.",
        (
            "Which side decides when a pushed batch is sent?",
            "Look at their sizes: are they at the limit?",
        ),
    ),
    Number(
        "6.6",
        "How many times as many rows a second go into SQLite with 100 rows in a transaction as with"
        " one?",
        "",
        _gain,
        ("Divide two means.", "np.mean(rates[100]) / np.mean(rates[1])"),
    ),
    Number(
        "6.7",
        "Rows come at 1,000 a second. What is the largest batch with which they wait at most 10 ms on"
        " average until it is full?",
        "rows",
        _largest,
        (
            "Use (B - 1) / (2λ).",
            "B - 1 = 2 · 1000 · 0.010. Do not forget the one.",
        ),
    ),
    Task(
        "6.8",
        "Run a webhook with the shortest linger time that makes one request for five messages.",
        _fresh,
        "1 + λL messages in each request: λL is four, and L is 20 ms.",
        (
            "A request carries 1 + λL messages.",
            "λL must be 4.",
        ),
    ),
)
