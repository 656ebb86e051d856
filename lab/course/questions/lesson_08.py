"""Lesson 8, lost and found: guarantees, early acks, bounds of harm, the checker, retries."""

from typing import Any

import numpy as np

from lab.course.bands import near
from lab.course.quiz import Band, Choice, Number, Question, Slip, Task
from lab.metrics import Run
from lab.oracles import Retries
from lab.trace import Fate, Trace

LOSSES = 30


def _lost(run: Run) -> Band:
    counts = [float(np.sum(trace.fate == Fate.LOST)) for trace in run.traces]
    why = "Those created meanwhile, and those that the old one still had."
    return near(float(np.mean(counts)), 0.03, why)


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
            "lost[silent.label] has the number of each run.",
        ),
        (
            Slip(160, "So many were created meanwhile. And those that it had when it died?"),
            Slip(lambda right: 5 * right, "That is the sum of five runs."),
            Slip(lambda right: right - 160, "Those that were created meanwhile are lost as well."),
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
        {
            "a": "That is what a commit *before* the work does.",
            "c": "Was none of its messages done again?",
            "d": "Did it lose any?",
        },
    ),
    Choice(
        "8.3",
        'Why does LongPoll(commit="each") neither lose nor repeat?',
        {
            "a": "it is slower than the others, so that less is under way when it dies",
            "b": "it asks for one record at a time, so that there is only one to lose",
            "c": "the broker remembers what is done, and it is not the broker that dies",
            "d": "result and cursor are made safe in one step, with nothing in between",
        },
        "d",
        "For that, both must be in the same place, such as one database.",
        (
            "What are the two things that must not come apart?",
            "Read the last line of the table of the setting.",
        ),
        {
            "a": "Less is less, but not nothing.",
            "b": "It asks for up to 20 at once, as the two others do.",
            "c": "See the table: who remembers what is done?",
        },
    ),
    Number(
        "8.4",
        "At most how many messages can a crash of the consumer lose with early acks, 20 credits and a"
        " queue of 16?",
        "messages",
        _bound,
        (
            "Add what the consumer can hold, acknowledged and not done, and what is under way.",
            "Both can be full at the same moment.",
        ),
        (
            Slip(20, "Those are under way. The queue of the consumer may be full as well."),
            Slip(
                16, "Those are in the queue. As many as there are credits may be under way besides."
            ),
            Slip(4, "The two come together: is one part of the other?"),
        ),
    ),
    Number(
        "8.5",
        "What is the number of the first message that the forged trace lies about?",
        "",
        _first,
        ("A violation has a field `message`.", "check(forged) lists them; the first one counts."),
        (Slip(0, "Message 0 arrived, and the forged trace says so."),),
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
            "How many tries are there on average, and which share of them delivers?",
        ),
        (
            Slip(1.43, "That is without a limit to the tries."),
            Slip(1.77, "So many tries there are. Not each of them delivers."),
            Slip(0.7, "That is with a single try."),
            Slip(0.973, "So often it is delivered at least once. Some are delivered again."),
            Slip(2.1, "Not all three tries happen: who is answered does not try again."),
        ),
    ),
    Choice(
        "8.8",
        "A producer repeats a message since it had no ack. How does the log know that it has it?",
        {
            "a": "by its bytes: of two equal messages one is a repetition",
            "b": "by its time: what comes again within the time-out is one",
            "c": "by the producer's name and a number, sent along again",
            "d": "not at all: the producer must not repeat anything",
        },
        "c",
        "So does Kafka's idempotent producer. The number is given once, before the first try.",
        (
            "What is the same in both tries, and in no other message?",
            "Which field does `producer` give a message?",
        ),
        {
            "a": "Two prices may be equal, and yet both are to be worked on.",
            "b": "A repetition may be late, and a new message may come at any time.",
            "d": "Then what was lost on its way would be lost for good.",
        },
    ),
    Task(
        "8.9",
        "Run a strategy with which no message is done twice and none is lost, though 30 answers are.",
        _nothing_twice,
        "The target knew each repetition by its name. It was sent all the same: 230 requests.",
        (
            "A repetition must be recognised. POST appends; what does PUT do?",
            "`method` is the knob.",
        ),
    ),
)
