"""The questions of each lesson, by its number: an explicit list, one file for each lesson."""

from collections.abc import Mapping, Sequence

from lab.course.questions import (
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    lesson_11,
    lesson_12,
    lesson_13,
)
from lab.course.quiz import Question

QUESTIONS: Mapping[int, Sequence[Question]] = {
    1: lesson_01.QUESTIONS,
    2: lesson_02.QUESTIONS,
    3: lesson_03.QUESTIONS,
    4: lesson_04.QUESTIONS,
    5: lesson_05.QUESTIONS,
    6: lesson_06.QUESTIONS,
    7: lesson_07.QUESTIONS,
    8: lesson_08.QUESTIONS,
    9: lesson_09.QUESTIONS,
    10: lesson_10.QUESTIONS,
    11: lesson_11.QUESTIONS,
    12: lesson_12.QUESTIONS,
    13: lesson_13.QUESTIONS,
}
