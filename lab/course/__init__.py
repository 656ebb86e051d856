"""What the notebooks of the course share: a lesson's questions, predictions, figures and tables."""

from lab.course.display import gap, show, show_table
from lab.course.questions import QUESTIONS
from lab.course.quiz import Quiz

__all__ = ["gap", "lesson", "show", "show_table"]


def lesson(number: int) -> Quiz:
    """Return the questions of that lesson, to be asked and checked; raises ValueError."""
    if number not in QUESTIONS:
        known = ", ".join(str(known) for known in QUESTIONS)
        raise ValueError(f"no lesson {number}; there are {known}")
    return Quiz(QUESTIONS[number])
