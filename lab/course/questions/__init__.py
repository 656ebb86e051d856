"""The questions of each lesson, by its number: an explicit list, one file for each lesson."""

from collections.abc import Mapping, Sequence

from lab.course.questions import lesson_01
from lab.course.quiz import Question

QUESTIONS: Mapping[int, Sequence[Question]] = {
    1: lesson_01.QUESTIONS,
}
