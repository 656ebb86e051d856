"""The questions of all lessons, by number."""

from lab.course.quiz import Question

QUESTIONS: dict[int, tuple[Question, ...]] = {}
