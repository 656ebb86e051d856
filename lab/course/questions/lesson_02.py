"""Lesson 2, Poisson and queues: gaps, M/M/1, M/D/1, Lindley, Little, and what timers add."""

import numpy as np

from lab import oracles
from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Question, Slip
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
    return near(wait * 1e3, 0.02, "Theory's 32 ms is the mean over all runs; this is one of them.")


def _little(trace: Trace) -> Band:
    present = oracles.time_integral(trace.created, trace.done) / float(trace.done.max())
    return near(present, 0.02, "The area under the number present, over time, gives the same.")


def _late(trace: Trace, messages: Messages) -> Band:
    extra = float(np.nanmean(trace.done - trace.started - messages.work))
    return near(extra * 1e3, 0.05, "Timers ring late, never early, so the true load is larger.")


QUESTIONS: tuple[Question, ...] = (
    Number(
        "2.1",
        "Which share of the drawn gaps is shorter than 5 ms, half of their mean?",
        "%",
        _short_gaps,
        ("Count them: gaps < 0.005.", "(gaps < 0.005).mean() is the share."),
        (
            Slip(50, "Half of the mean gap is not half of the gaps: short ones are more frequent."),
            Slip(63, "So many are shorter than the mean gap itself."),
            Slip(lambda right: 100 - right, "So many are longer."),
        ),
    ),
    Number(
        "2.2",
        "The rate grows from 100 to 112.5 messages a second, by an eighth; the work stays. By which"
        " factor does the mean latency of M/M/1 grow?",
        "",
        _twice,
        ("Put both rates into W = 1/(μ - λ).", "How does the difference μ - λ change?"),
        (
            Slip(1.125, "So much grows the load. Latency does not grow in proportion to it."),
            Slip(80, "That is the new latency in milliseconds. By which factor has it grown?"),
            Slip(0.5, "So much of the distance to 125 is left. Does the latency shrink with it?"),
        ),
    ),
    Number(
        "2.3",
        "By theory: the mean latency at 100 messages a second if each takes exactly 8 ms of work?",
        "ms",
        _constant_work,
        (
            "The wait is ρD/(2(1 - ρ)), with D = 8 ms and ρ = 0.8.",
            "Latency is wait plus work.",
        ),
        (
            Slip(16, "That is the wait. Latency ends with the work."),
            Slip(32, "That is the wait of M/M/1. Constant work halves it."),
            Slip(40, "That is the latency of M/M/1, where work is irregular, too."),
            Slip(20, "Half of the latency of M/M/1: but only the wait is halved, not the work."),
        ),
    ),
    Number(
        "2.4",
        "What is the mean wait of these messages by Lindley's recursion?",
        "ms",
        _lindley,
        (
            "The first message waits 0. Each next wait is max(0, wait + work - gap).",
            "Go through zip(messages.work[:-1], gaps), and keep each wait in a list.",
        ),
        (
            Slip(32, "So says theory of all runs, on average. Compute the waits of this one."),
            Slip(lambda right: right + 8, "That is wait and work together."),
        ),
    ),
    Number(
        "2.5",
        "How many messages are present on average in this run, by Little's law?",
        "messages",
        _little,
        (
            "L = λW. Both λ and W are those of this run, not of theory.",
            "λ is len(trace) / trace.done.max(), and W is a mean of the same trace.",
        ),
        (
            Slip(4, "So says theory: 100/s times 40 ms. In this run W is another."),
            Slip(0.8, "So many are at work. Those that wait are present as well."),
            Slip(
                lambda right: right - 0.8, "So many wait. The one that is at work is present, too."
            ),
        ),
    ),
    Number(
        "2.6",
        "By how much did the measured work exceed the drawn one, on average?",
        "ms",
        _late,
        (
            "Subtract arrays.",
            "real.done - real.started is what was measured, in seconds. np.nanmean takes the mean.",
        ),
        (
            Slip(lambda right: -right, "Drawn minus measured: which of them is longer?"),
            Slip(lambda right: right + 8, "That is the measured work itself, or nearly."),
        ),
    ),
    Choice(
        "2.7",
        "A consumer is idle for 20 % of the time. Somebody says: so no message can wait for long."
        " What do you answer?",
        {
            "a": "No: messages come in clusters, and idle times lie between them.",
            "b": "Yes: there is spare capacity whenever a message comes.",
            "c": "Yes, if all messages take equally long; no, if they do not.",
            "d": "No: at 80 % the queue grows without bound, and so does the wait.",
        },
        "a",
        "Idle time cannot be saved up for the next cluster. In M/M/1 the mean wait is four times the"
        " work.",
        (
            "What is the mean latency at utilisation 0.8, in units of the work?",
            "See the figure at 0.8: is the latency finite? Is it short, even with constant work?",
        ),
        {
            "b": "On average there is. Is there when five come at once?",
            "c": "Half of the wait goes then. Where does the other half come from?",
            "d": "See the figure at 0.8: the latency is long, and finite.",
        },
    ),
)
