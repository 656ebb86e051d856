"""Questions that a notebook asks and checks.

The key of a numeric question is worked out from what the student has just run, so that it holds on
any machine: it is a band, not a number. `...` (what stands in an untouched notebook) is no answer.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from lab.show import number


class Band(NamedTuple):
    """The answers that are right, and a sentence that is said once one of them is given."""

    low: float
    high: float
    why: str = ""


@dataclass(frozen=True)
class Number:
    """A question whose answer is a number in `unit`; `key` gives the band from the evidence.

    The evidence are the keyword arguments of `Quiz.check`. Hints are given one by one.
    """

    id: str
    prompt: str
    unit: str
    key: Callable[..., Band]
    hints: Sequence[str] = ()


@dataclass(frozen=True)
class Choice:
    """A question with `options` by letter, of which `key` says the right one (or tells it)."""

    id: str
    prompt: str
    options: Mapping[str, str]
    key: str | Callable[..., str]
    why: str = ""
    hints: Sequence[str] = ()


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
    return False, "too large." if value > band.high else "too small."


def _check_choice(question: Choice, answer: Any, evidence: dict[str, Any]) -> tuple[bool, str]:
    letter = str(answer).strip().lower()
    if letter not in question.options:
        return False, f"got {answer!r}; need one of {', '.join(question.options)}."
    key = question.key if isinstance(question.key, str) else question.key(**evidence)
    return letter == key, question.why if letter == key else ""
