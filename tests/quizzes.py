"""Answers put to the questions of the course: which are right, and how typical mistakes are taken."""

import re
from typing import Any

from lab.course.questions import QUESTIONS
from lab.course.quiz import Band, Number, Question, Quiz

LITERAL = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?![\w])")


def question(id: str) -> Question:
    return next(q for q in QUESTIONS[int(id.partition(".")[0])] if q.id == id)


def answered(id: str, answer: object, **evidence: Any) -> tuple[bool, str]:
    """Check an answer; return whether it is right, and what was said."""
    said: list[str] = []
    quiz = Quiz([question(id)], lambda text: said.append(str(text)))
    quiz.check(id, answer, **evidence)
    return quiz.right == {id}, said[-1]


def verdicts(id: str, *answers: object, **evidence: Any) -> list[bool]:
    """Say of each answer to that question whether it is right; its known mistakes must not be."""
    asked = question(id)
    if isinstance(asked, Number):
        assert_refuses_mistakes(asked, **evidence)
    return [answered(id, answer, **evidence)[0] for answer in answers]


def assert_refuses_mistakes(asked: Number, **evidence: Any) -> None:
    """Each known mistake is refused and told as such, and no hint has the answer in it."""
    band = asked.key(**evidence)
    assert band.low <= band.high
    for slip in asked.mistakes():
        wrong = slip.answer((band.low + band.high) / 2) if callable(slip.answer) else slip.answer
        right, said = answered(asked.id, wrong, **evidence)
        assert not right, f"{asked.id}: {wrong} passes, though: {slip.told}"
        assert slip.told in said, f"{asked.id}: {wrong} is told: {said}"
    given = [hint for hint in asked.hints if any(_within(n, band) for n in LITERAL.findall(hint))]
    assert not given, f"{asked.id}: a hint has the answer in it: {given}"


def _within(literal: str, band: Band) -> bool:
    return band.low <= float(literal.replace(",", "")) <= band.high
