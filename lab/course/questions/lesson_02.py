"""Lesson 2, Poisson and queues: gaps, M/M/1, M/D/1, Lindley, Little, and what timers add."""

import numpy as np

from lab import oracles
from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Question
from lab.trace import Floats, Trace
from lab.workload import Messages


def _short_gaps(created: Floats) -> Band:
    share = float((np.diff(created) < 0.005).mean()) * 100
    return near(share, 0.05, "By theory it is 1 - exp(-0.5), which is 39 %.")


def _twice() -> Band:
    return near(2.0, 0.03, "1/(125 - 112.5) is 80 ms: an eighth more load, twice the latency.")


def _constant_work() -> Band:
    return near(24.0, 0.02, "A wait of 16 ms, half of the 32 ms of M/M/1, and the work of 8 ms.")


def _lindley(messages: Messages) -> Band:
    wait = float(oracles.lindley(messages.created, messages.work).mean())
    return near(wait * 1e3, 0.001, "Theory's 32 ms is the mean over all runs; this is one of them.")


def _little(trace: Trace) -> Band:
    present = oracles.time_integral(trace.created, trace.done) / float(trace.done.max())
    return near(present, 0.01, "The area under the number present, over time, gives the same.")


def _late(trace: Trace, messages: Messages) -> Band:
    extra = float((trace.done - trace.started - messages.work).mean())
    return near(extra * 1e3, 0.05, "Timers ring late, never early, so the true load is larger.")


QUESTIONS: tuple[Question, ...] = (
    Number(
        "2.1",
        "Which share of the drawn gaps is shorter than 5 ms, half of their mean?",
        "%",
        _short_gaps,
        ("Count them: gaps < 0.005.", "(gaps < 0.005).mean() is the share."),
    ),
    Number(
        "2.2",
        "The rate grows from 100 to 112.5 messages a second, by an eighth; the work stays. By which"
        " factor does the mean latency of M/M/1 grow?",
        "",
        _twice,
        ("Put both rates into W = 1/(μ - λ).", "The difference 125 - λ falls from 25 to 12.5."),
    ),
    Number(
        "2.3",
        "By theory: the mean latency at 100 messages a second if each takes exactly 8 ms of work?",
        "ms",
        _constant_work,
        (
            "The wait is ρD/(2(1 - ρ)), with D = 8 ms and ρ = 0.8.",
            "Latency is wait plus work: do not forget the last 8 ms.",
        ),
    ),
    Number(
        "2.4",
        "What is the mean wait of these messages by Lindley's recursion?",
        "ms",
        _lindley,
        (
            "The first message waits 0. Each next wait is max(0, wait + work - gap).",
            "for work, between in zip(messages.work[:-1], gaps, strict=True): wait = max(0, wait + work - between)",
        ),
    ),
    Number(
        "2.5",
        "How many messages are present on average in this run, by Little's law?",
        "messages",
        _little,
        (
            "L = λW. Both λ and W are those of this run, not of theory.",
            "λ is len(trace) / trace.done.max(), and W is trace.latency.mean().",
        ),
    ),
    Number(
        "2.6",
        "By how much did the measured work exceed the drawn one, on average?",
        "ms",
        _late,
        ("Subtract arrays.", "(real.done - real.started - drawn.work).mean() is in seconds."),
    ),
    Choice(
        "2.7",
        "A consumer is idle for 20 % of the time. Somebody says: so no message can wait for long."
        " What do you answer?",
        {
            "a": "That is right: there is spare capacity whenever a message comes.",
            "b": "That is right if the work of all messages is equally long.",
            "c": "No: messages come in clusters, and idle times lie between the clusters. The mean wait"
            " is four times the work in M/M/1.",
            "d": "No: at 80 % the queue grows without bound.",
        },
        "c",
        "Idle time cannot be saved up for the next cluster.",
        (
            "What is the mean latency at utilisation 0.8, in units of the work?",
            "See the hockey stick: is it finite at 0.8? Is it small, even with constant work?",
        ),
    ),
)
