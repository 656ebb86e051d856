"""What the notebooks of the course share: questions whose answers are checked."""

from lab.course.quiz import Band, Choice, Number, Quiz

__all__ = ["Band", "Choice", "Number", "Quiz"]
