"""Lesson 9, replay and groups: offsets, late subscribers, retention, partitions of a group."""

from typing import Any

import numpy as np

from lab import oracles
from lab.course.bands import around
from lab.course.quiz import Band, Choice, Number, Question, Slip, Task
from lab.faults import Fault
from lab.metrics import Run
from lab.outcomes.recovery import recovery
from lab.roles import Log
from lab.scenario import Scenario
from lab.strategies import ConsumerGroup
from lab.trace import Fate, Trace

LOST_SHARE, CLOSE = 0.4, 0.02
HALF = 6.0  # seconds


def _scenario(trace: Trace) -> Scenario:
    return Scenario.read(trace.manifest["scenario"], "manifest")


def _rates(trace: Trace) -> tuple[float, float]:
    """Return λ and μ, in messages a second, as far as μ is the work alone."""
    workload = _scenario(trace).workload
    return workload.arrivals.mean_rate, 1 / workload.work.mean


def _fault(trace: Trace) -> Fault:
    return _scenario(trace).faults[0]


def _oldest(log: Log) -> Band:
    return Band(log.start, log.start, "Twelve came, from 0 to 11, and the last five are kept.")


def _missed(run: Run) -> Band:
    trace = run.traces[0]
    expected = _rates(trace)[0] * _fault(trace).duration
    seen = float(np.sum(trace.fate == Fate.LOST))
    return around(expected, seen, 0.03, "All that were created before it came.")


def _caught_up(run: Run) -> Band:
    trace = run.traces[0]
    (rate, speed), fault = _rates(trace), _fault(trace)
    expected = rate * fault.duration / (speed - rate)
    why = "It does 500 a second, and 200 new ones come meanwhile."
    return around(expected, recovery(trace, fault).seconds, 0.05, why)


def _skipped(run: Run) -> Band:
    trace = run.traces[0]
    began = getattr(_scenario(trace).strategies[0], "from_time", None) or 0.0
    seen = float(np.sum(trace.fate == Fate.SKIPPED))
    why = "A time is an offset, too: the broker looks it up in its log."
    return around(_rates(trace)[0] * began, seen, 0.03, why)


def _expired(run: Run) -> Band:
    trace = run.traces[0]
    kept = _scenario(trace).retention.count or 0
    expected = _rates_of_arrival(trace) * _fault(trace).duration - kept
    seen = float(np.sum(trace.fate == Fate.EXPIRED))
    return around(expected, seen, 0.03, "200 came, and the last 80 of them are kept.")


def _rates_of_arrival(trace: Trace) -> float:
    return _scenario(trace).workload.arrivals.mean_rate


def _starts(run: Run) -> Band:
    trace = run.traces[0]
    kept = _scenario(trace).retention.age or 0.0
    expected = oracles.overload_expiry_starts(*_rates(trace), kept)
    seen = float(trace.at_broker[trace.fate == Fate.EXPIRED].min()) + kept
    return around(expected, seen, 0.03, "Until then nothing is lost at all.")


def _longest(run: Run) -> Band:
    strategy = _scenario(run.traces[0]).strategies[0]
    assert isinstance(strategy, ConsumerGroup)
    seen = float(np.mean([np.nanmax(trace.latency) for trace in run.traces]))
    why = "Created just after the last sign of life, and done once the partitions have moved."
    return around(strategy.session_timeout, seen, 0.05, why)


def _loses(answer: Any) -> str:
    """Ask for a run in which `LOST_SHARE` of the messages of its later half expire unread."""
    if not isinstance(answer, Run):
        return "need a run: too_slow(...)."
    trace = answer.traces[0]
    share = float(np.mean(trace.fate[trace.created > HALF] == Fate.EXPIRED))
    if abs(share - LOST_SHARE) <= CLOSE:
        return ""
    return (
        f"in the later half {share:.1%} expired; need {LOST_SHARE:.0%}, give or take {CLOSE:.0%}."
    )


QUESTIONS: tuple[Question, ...] = (
    Number(
        "9.1",
        "What is the lowest offset that can still be read?",
        "",
        _oldest,
        (
            "Offsets are not counted anew when old records are forgotten.",
            "The log keeps the last five of the offsets 0 to 11.",
        ),
        (
            Slip(0, "That one is forgotten: see what the log says when it is asked for 2."),
            Slip(5, "So many are kept. Which ones are they?"),
            Slip(8, "The last one has offset 11, since the first had 0. Count five from there."),
        ),
    ),
    Number(
        "9.2",
        "How many messages does the late subscriber miss without a log?",
        "messages",
        _missed,
        ("How many are created before it comes?", "200 a second, and it is 0.8 s late."),
        (
            Slip(400, "So many it could have done in that time. How many came?"),
            Slip(200, "That is in a second."),
            Slip(0, "Without a log, who could send them again?"),
        ),
    ),
    Number(
        "9.3",
        "With a log: how long after it came has the late subscriber caught up?",
        "s",
        _caught_up,
        (
            "It lags behind by 160. How fast does that shrink?",
            "By μ - λ messages a second.",
        ),
        (
            Slip(0.32, "So it would be if the source paused meanwhile."),
            Slip(0.8, "So late it came. It works faster than messages come."),
            Slip(0.229, "New messages make it slower: μ - λ, not μ + λ."),
            Slip(1.33, "That is counted from the start. Count from when it came."),
        ),
    ),
    Number(
        "9.4",
        "How many messages does a consumer skip that comes 0.8 s late and begins at what came 0.5 s"
        " after the start? (The check runs it.)",
        "messages",
        _skipped,
        ("Which ones does it skip?", "Those that were created in the first half second."),
        (
            Slip(160, "So many came before it did. Some of them it reads."),
            Slip(60, "So many of those before it came it reads."),
            Slip(0, "What came in the first half second it does not ask for."),
        ),
    ),
    Number(
        "9.5",
        "How many messages expire unread while the consumer is away?",
        "messages",
        _expired,
        ("How many came meanwhile?", "Those that the log keeps can still be read."),
        (
            Slip(80, "So many are kept, and can still be read."),
            Slip(200, "So many came. Some of them are kept."),
            Slip(0, "The log keeps the last 80 only."),
        ),
    ),
    Number(
        "9.6",
        "After how many seconds does the first message expire unread, if the consumer is too slow for"
        " good?",
        "s",
        _starts,
        (
            "Use R/(1 - μ/λ).",
            "μ is 150 a second and λ is 200.",
        ),
        (
            Slip(0.5, "So late it may be. How long until it is that late?"),
            Slip(0.667, "That is R/(μ/λ). What counts is the share that is not done."),
            Slip(0.125, "That is R·(1 - μ/λ): it gets late by a quarter of a second each second."),
        ),
    ),
    Number(
        "9.7",
        "How long does the unluckiest message of the group take?",
        "s",
        _longest,
        (
            "It came to a partition of the dead member. Who works on it, and from when on?",
            "The partitions move when the session time-out is over.",
        ),
        (
            Slip(1, "So long the member is away. Its partitions do not wait for that."),
            Slip(0.1, "So often a member says that it lives. When is it given up?"),
            Slip(
                0.6,
                "The time-out runs from the last sign of life, not from the one that is missing.",
            ),
            Slip(
                0.25, "That may be the mean. The unluckiest comes just after the last sign of life."
            ),
        ),
    ),
    Choice(
        "9.8",
        "A group with six partitions is given a seventh member. What does it do?",
        {
            "a": "nothing: all partitions are taken already, until a member goes",
            "b": "it takes a seventh of the messages of every partition",
            "c": "it makes a seventh partition, and takes the messages of that",
            "d": "it gets a copy of all messages, as a consumer of its own would",
        },
        "a",
        "The number of partitions bounds how many members can work.",
        (
            "What do members share: messages or partitions?",
            "Six partitions for seven members.",
        ),
        {
            "b": "A partition belongs to one member, so that its order is kept.",
            "c": "Partitions belong to the log, and members come and go.",
            "d": "In a group each message is worked on by one member.",
        },
    ),
    Task(
        "9.9",
        "Run a consumer that is just so slow that 40 % of the messages expire unread in the long run.",
        _loses,
        "1 - μ/λ = 0.4, so μ is 120 a second: 8.3 ms for each message, of which the work is most.",
        (
            "The share is 1 - μ/λ, and λ is 200 a second.",
            "μ must be 120 a second. How long may each message take, the work and all else?",
        ),
    ),
)
