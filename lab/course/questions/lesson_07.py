"""Lesson 7, slow consumers: utilisation, lag, where messages wait, full buffers, credits."""

import math
from typing import Any

import numpy as np

from lab.compare import Comparison
from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Question, Task
from lab.faults import SlowConsumer
from lab.metrics import Result, Run
from lab.outcomes.fates import peaks
from lab.outcomes.recovery import recovery
from lab.scenario import Scenario
from lab.trace import Trace

CREDITS, ROUND_TRIP, WORK = 5, 0.020, 0.001
OLDEST = 0.33  # seconds
SETTLED = 0.5  # of the slow time: from then on the buffer is full
FULL, HALF = 0.95, 0.5  # utilisation


def _both(first: Band, second: Band, why: str) -> Band:
    return Band(min(first.low, second.low), max(first.high, second.high), why)


def _scenario(trace: Trace) -> Scenario:
    return Scenario.read(trace.manifest["scenario"], "manifest")


def _rates(trace: Trace) -> tuple[float, float, float, SlowConsumer]:
    """Return λ, μ and the slow μ in messages a second, and the time when it is slow."""
    scenario = _scenario(trace)
    fault = next(fault for fault in scenario.faults if isinstance(fault, SlowConsumer))
    work = scenario.workload.work.mean
    return scenario.workload.arrivals.mean_rate, 1 / work, 1 / (work * fault.times), fault


def _explodes(half: Result, most: Result) -> Band:
    seen = most.latency["mean"].mean / half.latency["mean"].mean
    alone = near((1 - HALF) / (1 - FULL), 0.02)
    why = "Not 1.9 times, as the load: what counts is the share of time that is left."
    return _both(alone, near(seen, 0.02), why)


def _lag(run: Run) -> Band:
    rate, _, slow, fault = _rates(run.traces[0])
    expected = (rate - slow) * fault.duration
    why = "λ - μ a second, for half a second."
    return _both(near(expected, 0.03), near(recovery(run.traces[0], fault).peak, 0.03, why), why)


def _catch_up(run: Run) -> Band:
    rate, usual, slow, fault = _rates(run.traces[0])
    expected = (rate - slow) * fault.duration / (usual - rate)
    why = "New messages keep coming, so only μ - λ a second are worked off."
    return _both(near(expected, 0.05), near(recovery(run.traces[0], fault).seconds, 0.05), why)


def _kernel(trace: Trace) -> Band:
    held = peaks(trace)["kernel"] * float(trace.size.mean()) / 1e6
    return near(held, 0.1, "As much as the socket buffers of both sides hold.")


def _age(run: Run) -> float:
    trace = run.traces[0]
    _, _, _, fault = _rates(trace)
    late = (trace.done > fault.at + SETTLED * fault.duration) & (trace.done < fault.until)
    return float(np.median(trace.latency[late]))


def _older(newest: Run, oldest: Run) -> Band:
    why = "20 times 50 ms against 20 times 5 ms, and the work on it in either case."
    return near(_age(newest) / _age(oldest), 0.1, why)


def _passed(passed: float) -> Band:
    expected = CREDITS / (ROUND_TRIP + WORK)
    return _both(near(expected, 0.03), near(passed, 0.03), "Not 400: the credits are the limit.")


def _buffer(answer: Any) -> str:
    """Ask for a run with the largest buffer in which no message is older than `OLDEST`."""
    if not isinstance(answer, Comparison) or not answer.runs:
        return 'need a run: compare(bounded(..., "drop_newest"), engines=["simulation"]).'
    trace = answer.runs[0].traces[0]
    strategy = _scenario(trace).strategies[0]
    if getattr(strategy, "overflow", "") != "drop_newest":
        return "need a run with drop_newest."
    _, _, slow, _ = _rates(trace)
    oldest = float(np.nanmax(trace.latency))
    if oldest > OLDEST:
        return f"a message was {oldest:.3f} s old; need {OLDEST} s at most."
    if getattr(strategy, "buffer", 0) < math.floor(OLDEST * slow) - 1:
        return "no message was too old, but a larger buffer is possible."
    return ""


QUESTIONS: tuple[Question, ...] = (
    Number(
        "7.1",
        "By theory: how many times as long as at ρ = 0.5 is the mean latency at ρ = 0.95?",
        "",
        _explodes,
        (
            "W = 1/(μ - λ), with μ = 100 and λ = 50 or 95.",
            "theory[0.95] / theory[0.5]",
        ),
    ),
    Choice(
        "7.2",
        "At ρ = 0.95 you measure for 30 s, once, and find a mean latency of 120 ms. What follows?",
        {
            "a": "the theory is wrong, since it says 200 ms",
            "b": "little: another run may give half or twice that, so run longer and more often",
            "c": "your machine is faster than the theory assumes",
            "d": "the consumer is not really at 0.95",
        },
        "b",
        "Queues near saturation change slowly: 30 s hold only a few independent ups and downs.",
        ("How long is the bar at 0.95?", "Is 120 ms within it?"),
    ),
    Number(
        "7.3",
        "How many messages does the consumer lag behind at the end of the slow half second?",
        "messages",
        _lag,
        (
            "200 come in a second. How many are done?",
            "20 a second are done, so the lag grows by 180 a second.",
        ),
    ),
    Number(
        "7.4",
        "How long does it take from then on to catch up?",
        "s",
        _catch_up,
        (
            "500 a second can be done. Does the source pause meanwhile?",
            "The lag shrinks by μ - λ = 300 messages a second.",
        ),
    ),
    Number(
        "7.5",
        "How many megabytes of messages are in the kernel's buffers at most, with the WebSocket"
        " without acks?",
        "MB",
        _kernel,
        (
            "The list above has the number of messages in the kernel.",
            "Each has 50,000 bytes, and a megabyte 1,000,000.",
        ),
    ),
    Number(
        "7.6",
        "How many times as old as with drop_oldest are the messages with drop_newest?",
        "",
        _older,
        ("Divide the two typical ages.", "age(newest) / age(oldest)"),
    ),
    Number(
        "7.7",
        "How many messages a second pass with 5 credits, a round trip of 20 ms and 1 ms of work?",
        "a second",
        _passed,
        ("Use K/(RTT + S).", "5 / 0.021"),
    ),
    Task(
        "7.8",
        "Run the largest buffer with which no message is older than 0.33 s when it is done.",
        _buffer,
        "Five before it, in the buffer or at work, and its own work: 0.3 s.",
        (
            "The last that gets into a full buffer waits for all the others, and for the one at work.",
            "With a buffer of K it is done after (K + 1) times 50 ms at the latest.",
        ),
    ),
)
