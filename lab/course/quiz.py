"""Questions that a notebook asks and checks.

The key of a numeric question is worked out from what the student has just run, so that it holds on
any machine: it is a band, not a number. `...` (what stands in an untouched notebook) is no answer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lab.show import number

CLOSE = 0.02  # of a wrong number: who is that near has made that mistake
OTHER_UNITS = {  # of an answer that is right but for its unit: how large it is, and what is said
    "ms": (1e-3, "That is in seconds, and milliseconds are asked for."),
    "s": (1e3, "That is in milliseconds, and seconds are asked for."),
    "%": (1e-2, "That is a share of 1, and per cent are asked for."),
}


class Band(NamedTuple):
    """The answers that are right, and a sentence that is said once one of them is given."""

    low: float
    high: float
    why: str = ""


class Slip(NamedTuple):
    """A wrong number to which a misconception leads, and what is said to whoever answers it.

    `answer` is that number, or works it out from the right one.
    """

    answer: float | Callable[[float], float]
    told: str

    def range(self, band: Band) -> Band:
        """Return the answers that show this mistake, if those in `band` are right."""
        if not callable(self.answer):
            ends = [self.answer, self.answer]
        else:
            ends = sorted(map(self.answer, (band.low, band.high)))
        return Band(ends[0] - CLOSE * abs(ends[0]), ends[1] + CLOSE * abs(ends[1]), self.told)


@dataclass(frozen=True)
class Number:
    """A question whose answer is a number in `unit`; `key` gives the band from the evidence.

    The evidence are the keyword arguments of `Quiz.check`. Hints are given one by one; an answer that
    is one of the `slips`, or right in another unit, is told so.
    """

    id: str
    prompt: str
    unit: str
    key: Callable[..., Band]
    hints: Sequence[str] = ()
    slips: Sequence[Slip] = ()

    def mistakes(self) -> list[Slip]:
        """Return the slips, and the right answer in another unit."""
        times, told = OTHER_UNITS.get(self.unit, (1.0, ""))
        return [*self.slips, *([Slip(lambda right: right * times, told)] if told else [])]


@dataclass(frozen=True)
class Choice:
    """A question with `options` by letter, of which `key` says the right one (or tells it).

    `slips` say to whoever chooses that letter why it is wrong; for the others there are hints.
    """

    id: str
    prompt: str
    options: Mapping[str, str]
    key: str | Callable[..., str]
    why: str = ""
    hints: Sequence[str] = ()
    slips: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Task:
    """A question whose answer is something that was made; `judge` says what is wrong with it.

    `judge` is given the answer and the evidence, and returns "" if nothing is wrong.
    """

    id: str
    prompt: str
    judge: Callable[..., str]
    why: str = ""
    hints: Sequence[str] = ()


Question = Number | Choice | Task


class Quiz:
    """The questions of one lesson, and which of them are answered rightly (`right`).

    Nothing is returned by what a notebook calls, since a notebook shows what its cells return.
    """

    def __init__(self, questions: Sequence[Question], say: Callable[[str], object] = print) -> None:
        self.questions = {question.id: question for question in questions}
        self.say = say
        self.right: set[str] = set()
        self.tries: dict[str, int] = {}

    def ask(self, id: str) -> None:
        """Print a question."""
        question = self.questions[id]
        unit = f" [{question.unit}]" if isinstance(question, Number) and question.unit else ""
        self.say(f"Question {id}: {question.prompt}{unit}")
        if isinstance(question, Choice):
            for letter, text in question.options.items():
                self.say(f"  {letter}) {text}")

    def check(self, id: str, answer: Any, **evidence: Any) -> None:
        """Say whether `answer` is right, or else give the next hint."""
        question = self.questions[id]
        if answer is ...:
            self.right.discard(id)
            self.say(f"{id}: not answered yet. Put your answer in place of the dots.")
            return
        if isinstance(question, Number):
            right, why = _check_number(question, answer, evidence)
        elif isinstance(question, Task):
            wrong = question.judge(answer, **evidence)
            right, why = not wrong, wrong or question.why
        else:
            right, why = _check_choice(question, answer, evidence)
        if right:
            self.right.add(id)
            letter = f", {str(answer).strip().lower()}" if isinstance(question, Choice) else ""
            self.say(f"{id}: right{letter}. {why}".rstrip())
            return
        self.right.discard(id)
        self.say(f"{id}: {why or 'not right.'} {self._hint(question)}".rstrip())

    def _hint(self, question: Question) -> str:
        tries = self.tries[question.id] = self.tries.get(question.id, 0) + 1
        if not question.hints:
            return ""
        return f"Hint: {question.hints[min(tries, len(question.hints)) - 1]}"

    def score(self) -> None:
        """Print how many questions are answered rightly, how many there are, and which are open."""
        self.say(f"{len(self.right)} of {len(self.questions)} questions answered rightly.")
        if missing := [id for id in self.questions if id not in self.right]:
            self.say(f"Still to do: {', '.join(missing)}.")


def _check_number(question: Number, answer: Any, evidence: dict[str, Any]) -> tuple[bool, str]:
    try:
        value = float(answer)
    except (TypeError, ValueError):
        return False, f"got {answer!r}; need a number."
    if isinstance(answer, bool) or not math.isfinite(value):
        return False, f"got {answer!r}; need a finite number."
    band = question.key(**evidence)
    if band.low <= value <= band.high:
        return True, f"{band.why} (Accepted: {number(band.low)} to {number(band.high)}.)".lstrip()
    told = _mistake(question, value, band)
    return False, f"{'too large' if value > band.high else 'too small'}. {told}".rstrip()


def _mistake(question: Number, value: float, band: Band) -> str:
    """Return what is said to the mistake that gives `value`, the nearest if several may; or ""."""
    slips = (slip.range(band) for slip in question.mistakes())
    alike = [slip for slip in slips if slip.low <= value <= slip.high]
    nearest = min(alike, key=lambda slip: abs(slip.low + slip.high - 2 * value), default=None)
    return nearest.why if nearest else ""


def _check_choice(question: Choice, answer: Any, evidence: dict[str, Any]) -> tuple[bool, str]:
    letter = str(answer).strip().lower()
    if letter not in question.options:
        return False, f"got {answer!r}; need one of {', '.join(question.options)}."
    key = question.key if isinstance(question.key, str) else question.key(**evidence)
    if letter == key:
        return True, question.why
    return False, f"not right. {question.slips.get(letter, '')}".rstrip()
