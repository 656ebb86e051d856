"""Lesson 7, slow consumers: utilisation, lag, where messages wait, full buffers, credits."""

import math
from typing import Any

import numpy as np

from lab.compare import Comparison
from lab.course.bands import around, near
from lab.course.quiz import Band, Choice, Number, Question, Slip, Task
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
    why = "Not 1.9 times, as the load: what counts is the share of time that is left."
    return around((1 - HALF) / (1 - FULL), seen, 0.02, why)


def _lag(run: Run) -> Band:
    rate, _, slow, fault = _rates(run.traces[0])
    expected = (rate - slow) * fault.duration
    why = "λ - μ a second, for half a second."
    return around(expected, recovery(run.traces[0], fault).peak, 0.03, why)


def _catch_up(run: Run) -> Band:
    rate, usual, slow, fault = _rates(run.traces[0])
    expected = (rate - slow) * fault.duration / (usual - rate)
    why = "New messages keep coming, so only μ - λ a second are worked off."
    return around(expected, recovery(run.traces[0], fault).seconds, 0.05, why)


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
    return around(expected, passed, 0.03, "Not 400: the credits are the limit.")


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
            "Divide two entries of `theory`.",
        ),
        (
            Slip(1.9, "So much larger is the load. Look at what is left of the time."),
            Slip(20, "So many times as long as the work. How is it at ρ = 0.5?"),
            Slip(19, "That compares the waits. Latency is wait and work."),
            Slip(0.1, "That is the shorter divided by the longer."),
        ),
    ),
    Choice(
        "7.2",
        "At ρ = 0.95 you measure for 30 s, once, and find a mean latency of 120 ms. What follows?",
        {
            "a": "the theory is wrong here, since it says 200 ms for that load",
            "b": "little: run longer, and more often, before you say anything",
            "c": "your machine is faster than the theory assumes, by two fifths",
            "d": "the consumer was not really at 0.95, but at 0.92 or less",
        },
        "b",
        "Queues near saturation change slowly: 30 s hold only a few independent ups and downs.",
        ("How long is the bar at 0.95?", "Is 120 ms within it?"),
        {
            "a": "Theory speaks of the mean over many runs. How much do single runs differ?",
            "c": "It may be. But would another run of the same machine have given 120 ms?",
            "d": "In a run of 30 s the load may well be less, by chance. What will the next one have?",
        },
    ),
    Number(
        "7.3",
        "How many messages does the consumer lag behind at the end of the slow half second?",
        "messages",
        _lag,
        (
            "200 come in a second. How many are done?",
            "20 a second are done. By how many a second does the lag grow?",
        ),
        (
            Slip(100, "So many were created. Some of them are done."),
            Slip(10, "So many are done in that time."),
            Slip(180, "So many it would be after a second. It is slow for half a second."),
            Slip(110, "What is done makes the lag smaller, not larger."),
        ),
    ),
    Number(
        "7.4",
        "How long does it take from then on to catch up?",
        "s",
        _catch_up,
        (
            "500 a second can be done. Does the source pause meanwhile?",
            "The lag shrinks by μ - λ messages a second.",
        ),
        (
            Slip(0.5, "So long it took to grow. It shrinks at another rate."),
            Slip(0.18, "So it would be if the source paused meanwhile."),
            Slip(0.45, "It works off as many as come, and more: 500 a second, not 200."),
            Slip(0.129, "New messages make it slower: μ - λ, not μ + λ."),
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
        (
            Slip(lambda right: 20 * right, "That is the number of messages, of 50,000 bytes each."),
            Slip(lambda right: 1e6 * right, "That is in bytes."),
            Slip(lambda right: 8 * right, "That is in megabits."),
        ),
    ),
    Number(
        "7.6",
        "How many times as old as with drop_oldest are the messages with drop_newest?",
        "",
        _older,
        ("Divide the two typical ages.", "age(newest) is one of them, in seconds."),
        (
            Slip(lambda right: 1 / right, "That is drop_oldest divided by drop_newest."),
            Slip(10, "So are the times in the buffer. The work of 50 ms comes to both."),
        ),
    ),
    Number(
        "7.7",
        "How many messages a second pass with 5 credits, a round trip of 20 ms and 1 ms of work?",
        "a second",
        _passed,
        (
            "Use K/(RTT + S).",
            "All in seconds. The round trip has two ways of 10 ms.",
        ),
        (
            Slip(250, "That is without the work: a credit comes back after it."),
            Slip(400, "So many come. With enough credits all of them pass."),
            Slip(1000, "So many the consumer could do. Has it got credits for them?"),
            Slip(455, "That is with one way. The credit has to come back."),
            Slip(47.6, "That is with one credit."),
        ),
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
