"""The five programs of the bug hunt: sound without their bug, and each shown by the faults meant."""

import numpy as np
import pytest

from lab.course.hunt import CLAIMS, FAULTS, run, shows
from lab.course.questions.lesson_12 import QUESTIONS
from lab.course.quiz import Quiz
from lab.outcomes.checks import check
from lab.trace import Fate

SHOWN = {
    "A": ["consumer crash"],
    "B": ["slow consumer"],
    "C": ["lost answer to the producer"],
    "D": ["consumer crash", "link down"],
    "E": ["nothing"],
}
KINDS = {"A": {"lost"}, "B": {"order"}, "C": {"duplicate"}, "D": {"hasty"}, "E": {"held"}}


def right(quiz: Quiz, id: str, answer: object, **evidence: object) -> bool:
    """Check an answer, and say whether it is right."""
    quiz.check(id, answer, **evidence)
    return id in quiz.right


@pytest.mark.parametrize("letter", CLAIMS)
def test_a_sound_program_keeps_its_promise_under_every_fault(letter: str) -> None:
    for name, faults in FAULTS.items():
        assert check(run(letter, *faults, sound=True)) == [], name


@pytest.mark.parametrize("letter", CLAIMS)
def test_each_bug_shows_under_the_faults_that_the_lesson_asks_for(letter: str) -> None:
    assert shows(letter) == SHOWN[letter]
    found = check(run(letter, *FAULTS[SHOWN[letter][0]]))
    assert {v.kind for v in found} - {"more"} == KINDS[letter]


def test_nothing_stays_planted() -> None:
    run("A", *FAULTS["consumer crash"])
    assert check(run("A", *FAULTS["consumer crash"], sound=True)) == []


def test_without_faults_no_message_of_any_program_is_lost() -> None:
    for letter in CLAIMS:
        assert np.all(run(letter).fate == Fate.DELIVERED), letter


def test_the_number_lost_must_come_from_a_run_that_lost_some() -> None:
    quiz = Quiz(QUESTIONS, say=lambda text: None)
    broken = run("A", *FAULTS["consumer crash"])
    assert right(quiz, "12.2", np.count_nonzero(broken.fate == Fate.LOST), broken=broken)
    assert not right(quiz, "12.2", 0, broken=run("A"))
    assert not right(quiz, "12.2", 0, broken=...)
