"""Lesson 8, lost and found: guarantees, early acks, bounds of harm, the checker, retries."""

from typing import Any

import numpy as np

from lab.course.bands import near, over
from lab.course.quiz import Band, Choice, Number, Question, Task
from lab.metrics import Run
from lab.oracles import Retries
from lab.trace import Fate, Trace

LOSSES = 30


def _lost(run: Run) -> Band:
    counts = [float(np.sum(trace.fate == Fate.LOST)) for trace in run.traces]
    return over(counts, 0.03, "Those created meanwhile, and those that the old one still had.")


def _bound(bound: float) -> Band:
    return Band(bound, bound, "In the runs it was less: a bound holds in every run.")


def _first(honest: Trace) -> Band:
    first = float(honest.message[honest.fate == Fate.LOST].min())
    return Band(first, first, "The smallest counterexample comes first.")


def _deliveries(theory: Retries) -> Band:
    return near(
        theory.deliveries, 0.02, "With any number of tries it would be 0.7/0.49, which is 1.43."
    )


def _nothing_twice(answer: Any) -> str:
    """Ask for a run in which answers are lost, and yet no message is, and none is done twice."""
    if not isinstance(answer, Trace):
        return "need a run: deliver(HttpIngest(...))."
    faults = [fault["kind"] for fault in answer.manifest["scenario"]["faults"]]
    again = int(np.maximum(answer.completions.astype(int) - 1, 0).sum())
    missing = int(np.sum(answer.fate != Fate.DELIVERED))
    if faults.count("LostResponse") < LOSSES:
        return f"in this run {faults.count('LostResponse')} answers are lost; need {LOSSES}."
    if again or missing:
        return f"{again} messages were done twice and {missing} not delivered; need none."
    return ""


QUESTIONS: tuple[Question, ...] = (
    Number(
        "8.1",
        "Simulated: how many messages does the WebSocket without acks lose in a run, on average?",
        "messages",
        _lost,
        (
            "The table above has the sum over five runs.",
            "np.mean(lost[silent.label])",
        ),
    ),
    Choice(
        "8.2",
        'What does LongPoll(commit="after_work") promise, if consumers may crash?',
        {
            "a": "at most once: some may be lost, none is done twice",
            "b": "at least once: none is lost, some may be done twice",
            "c": "effectively once: none is lost, and none is done twice",
            "d": "nothing: some may be lost and others done twice",
        },
        "b",
        "It works, then remembers. If it dies in between, it works again.",
        (
            "Look at its line in the table.",
            "What if it dies after the work and before the commit?",
        ),
    ),
    Choice(
        "8.3",
        'Why does LongPoll(commit="each") neither lose nor repeat?',
        {
            "a": "it is slower, so that less is under way",
            "b": "it asks for one record at a time",
            "c": "the broker remembers, not the consumer",
            "d": "result and cursor are made safe in one step, so no crash can come in between",
        },
        "d",
        "For that, both must be in the same place, such as one database.",
        (
            "What are the two things that must not come apart?",
            "Read the last line of the table of the setting.",
        ),
    ),
    Number(
        "8.4",
        "At most how many messages can a crash of the consumer lose with early acks, 20 credits and a"
        " queue of 16?",
        "messages",
        _bound,
        (
            "Add what the consumer can hold, acknowledged and not done, and what is under way.",
            "20 + 16. The list above says the same.",
        ),
    ),
    Number(
        "8.5",
        "What is the number of the first message that the forged trace lies about?",
        "",
        _first,
        ("A violation has a field `message`.", "check(forged)[0].message"),
    ),
    Choice(
        "8.6",
        "With which exit status does `pushpull check` end if a promise was broken?",
        {"a": "0", "b": "1", "c": "2, as for a file that is not a trace", "d": "3"},
        "b",
        "So a script can stop there: pushpull check FILE && deploy.",
        ("The cell above prints it.",),
    ),
    Number(
        "8.7",
        "How many times is a message delivered on average, with p = q = 0.3 and three tries?",
        "deliveries",
        _deliveries,
        (
            "A try fails with f = 1 - 0.7 · 0.7 = 0.51.",
            "There are (1 - f³)/(1 - f) tries, and 0.7 of them deliver.",
        ),
    ),
    Task(
        "8.8",
        "Run a strategy with which no message is done twice and none is lost, though 30 answers are.",
        _nothing_twice,
        "The target knew each repetition by its name. It was sent all the same: 230 requests.",
        (
            "A repetition must be recognised. POST appends; what does PUT do?",
            'Add method="PUT" to the strategy above.',
        ),
    ),
)
