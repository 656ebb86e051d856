"""Questions of lesson 12, find the planted bug: the keys come from running the five programs."""

from collections.abc import Callable

import numpy as np

from lab.course.hunt import FAULTS, shows
from lab.course.quiz import Band, Choice, Number, Question, Task
from lab.trace import Fate, Trace

FAULT_OPTIONS = dict(zip("abcde", FAULTS, strict=True))
MECHANISMS = {
    "a": "it saves its offset (or acknowledges) before the work is done",
    "b": "it takes a message again that it has taken before",
    "c": "it does not wake a request that it holds when a message comes",
    "d": "it gives a message up after the first failure",
    "e": "it sends what came last first",
    "f": "it forgets messages when its buffer is full",
}


def _reveals(letter: str) -> Callable[[], str]:
    """Return the key of the fault that shows the bug; there must be exactly one."""

    def key() -> str:
        (found,) = shows(letter)
        return next(option for option, name in FAULT_OPTIONS.items() if name == found)

    return key


def _fault(id: str, letter: str, why: str, *hints: str) -> Choice:
    prompt = f"Under which fault does {letter} break its promise?"
    return Choice(id, prompt, FAULT_OPTIONS, _reveals(letter), why, hints)


def _mechanism(id: str, letter: str, key: str, why: str, *hints: str) -> Choice:
    return Choice(id, f"What does {letter} do wrong?", MECHANISMS, key, why, hints)


def _lost(answer: object, broken: object) -> str:
    if not isinstance(broken, Trace):
        return "there is no `broken` yet: keep the trace of that run in it."
    lost = int(np.count_nonzero(broken.fate == Fate.LOST))
    if not lost:
        return "in the run that is in `broken` none is lost: it is under another fault."
    return "" if answer == lost else f"got {answer!r}; that is not what the trace says."


def _shown_by() -> Band:
    return Band(len(shows("D")), len(shows("D")), "Whatever makes one attempt fail shows it.")


def _held(slow: Trace) -> Band:
    waits = slow.parts()["broker residence"]
    low, high = np.quantile(waits, [0.99, 1.0])
    why = "That is max_wait: nobody woke the request, so it ran out."
    return Band(float(low) * 0.99, float(high) * 1.01, why)


QUESTIONS: tuple[Question, ...] = (
    _fault(
        "12.1",
        "A",
        "Only a crash between saving and working tells the two orders apart.",
        "When does it matter *when* an offset is saved?",
        "The offset is for the next one who begins in its place. When does anybody begin?",
    ),
    Task(
        "12.2",
        "How many messages does A lose in the run with that fault? (Your `broken` is looked at, too.)",
        _lost,
        "What was fetched and saved, and not yet worked on, died with it.",
        ("np.count_nonzero(broken.fate == Fate.LOST)",),
    ),
    _mechanism(
        "12.3",
        "A",
        "a",
        "So at least once has become at most once.",
        "Compare the lost messages with those that were received just before the crash.",
    ),
    _fault(
        "12.4",
        "B",
        "With nothing waiting there is only one order. It takes a queue to see a wrong one.",
        "An order can be wrong only where several messages wait. When do they, at the broker?",
    ),
    _mechanism(
        "12.5",
        "B",
        "e",
        "A stack instead of a queue.",
        "Which message number is done first after the fault, and which last?",
    ),
    _fault(
        "12.6",
        "C",
        "The producer did not hear the answer and sent again, as it must. The log should know.",
        "When does a producer send anything twice?",
    ),
    _mechanism(
        "12.7",
        "C",
        "b",
        "The sequence number is sent, and nobody looks at it.",
        "How many messages were worked on twice, and when were they sent?",
    ),
    Number(
        "12.8",
        "Under how many of the five (with 'nothing') does D break its promise?",
        "of five",
        _shown_by,
        (
            "Try all five: for name, faults in hunt.FAULTS.items(): ...",
            "An attempt fails if nobody is there, or if the way is blocked.",
        ),
    ),
    _mechanism(
        "12.9",
        "D",
        "d",
        "Its retries were never used. In a week without trouble nobody would have noticed.",
        "Look at `attempts` of the messages whose fate is DEAD_LETTERED.",
    ),
    _fault(
        "12.10",
        "E",
        "It is wrong all the time, and nothing is lost: you would call it a slow network.",
        "Not every bug loses messages. Look at the latency.",
    ),
    Number(
        "12.11",
        "How long do the messages that wait longest wait at E's broker?",
        "s",
        _held,
        ('trace.parts()["broker residence"].max()', "Which knob of the strategy has that value?"),
    ),
    Choice(
        "12.12",
        "A team tests by running its system without faults and looking for lost messages. How many of"
        " the five bugs does it find?",
        {"a": "none", "b": "one", "c": "three", "d": "all five"},
        "a",
        "E shows without faults, but only to who looks at latency; the others need a fault.",
        ("In which of the runs without a fault is a message lost?",),
        {
            "b": "One of them shows without a fault. But does it lose anything?",
            "c": "Try it: attempt(letter) for each, without a fault.",
            "d": "Try it: attempt(letter) for each, without a fault.",
        },
    ),
)
