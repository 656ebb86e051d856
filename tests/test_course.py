"""The course: questions are checked as promised, and notebooks are in step and whole."""

import asyncio
import importlib.util
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lab import plots
from lab.course import bands, gap, lesson, show
from lab.course.questions import QUESTIONS
from lab.course.quiz import Band, Choice, Number, Quiz, Slip

ROOT = Path(__file__).parent.parent
NOTEBOOKS = ROOT / "notebooks"


def _module(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(f"notebooks_{name}", NOTEBOOKS / f"{name}.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


build, twice = _module("build"), _module("twice")
SOURCES = build.sources([])
ALL = [question for questions in QUESTIONS.values() for question in questions]


def half(period: float) -> Band:
    return Band(0.45 * period, 0.55 * period, "Half of it.")


ASKED = (
    Number("9.1", "How long?", "s", half, ("first", "second")),
    Choice("9.2", "Which?", {"a": "this", "b": "that"}, lambda period: "b", "That one."),
)


def quiz() -> tuple[Quiz, list[str]]:
    said: list[str] = []
    return Quiz(ASKED, lambda text: said.append(str(text))), said


def test_an_untouched_notebook_passes_nothing() -> None:
    mine, said = quiz()
    for question in ASKED:
        mine.check(question.id, ..., period=2.0)
    mine.score()
    assert not mine.right
    assert said[-2:] == ["0 of 2 questions answered rightly.", "Still to do: 9.1, 9.2."]


def test_numbers_are_right_within_the_band_that_the_evidence_gives() -> None:
    mine, said = quiz()
    mine.check("9.1", 1.0, period=2.0)
    assert mine.right == {"9.1"} and "Half of it." in said[-1]
    mine.check("9.1", 1.0, period=4.0)
    assert not mine.right and "too small" in said[-1]


@pytest.mark.parametrize("answer", ["long", None, True, float("nan"), float("inf"), [1.0]])
def test_what_is_no_number_is_not_right(answer: object) -> None:
    mine, said = quiz()
    mine.check("9.1", answer, period=2.0)
    assert not mine.right and "need a" in said[-1]


def test_hints_come_one_by_one_and_the_last_stays() -> None:
    mine, said = quiz()
    for _ in range(3):
        mine.check("9.1", 7, period=2.0)
    assert [text.rpartition(" ")[2] for text in said] == ["first", "second", "second"]


def test_letters_are_right_in_any_case_and_only_if_they_are_options() -> None:
    mine, said = quiz()
    mine.check("9.2", "c", period=1.0)
    assert "need one of a, b" in said[-1]
    mine.check("9.2", " B ", period=1.0)
    assert mine.right == {"9.2"} and said[-1].startswith("9.2: right, b.")


def test_bands_hold_the_truth_and_exclude_others() -> None:
    rng = np.random.default_rng(1)
    slow, fast = rng.exponential(3.0, 400), rng.exponential(1.0, 400)
    for band, truth in ((bands.mean_of(slow), 3.0), (bands.ratio_of(slow, fast), 3.0)):
        assert band.low < truth < band.high
        assert truth / 2 < band.low and band.high < truth * 2
    assert bands.near(10, 0.1)[:2] == (9.0, 11.0)
    assert bands.over([5.0])[:2] == (4.75, 5.25)
    with pytest.raises(ValueError, match="need 20 samples"):
        bands.mean_of([1.0] * 19)


def test_predictions_are_shown_beside_what_was_found() -> None:
    said: list[str] = []
    gap(50, "ms", said.append, simulated=100.0)
    assert said == ["simulated: 100 ms (you predicted 50, which is 0.5 times that)"]
    gap(..., "ms", said.append, simulated=100.0)
    assert said[1].startswith("No prediction yet") and said[2] == "simulated: 100 ms"


def test_figures_are_displayed_as_pictures() -> None:
    png, size = show(plots.ecdf([]))._repr_png_()
    assert png.startswith(b"\x89PNG") and size["width"] > 0


def test_an_unknown_lesson_is_said_to_be_unknown() -> None:
    with pytest.raises(ValueError, match="no lesson 99"):
        lesson(99)


def test_notebooks_are_in_step_with_their_sources() -> None:
    """If this fails, run `python notebooks/build.py` and commit."""
    assert build.out_of_step() == []


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_students_see_no_solution(source: Path) -> None:
    text = build.text_of(build.build(source, "student"))
    assert "SOLUTION" not in text and '"outputs": []' in text
    assert text.count("answer = ...") >= 5


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ([build.BEGIN, build.END], "no line like"),
        (["# answer = ...", "", build.BEGIN, build.END], "no line like"),
        (["# answer = ...", build.BEGIN], "without its other half"),
        (["# answer = ...", build.END], "without its other half"),
        (["# a = ...", build.BEGIN, build.BEGIN, build.END], "without its other half"),
    ],
)
def test_a_broken_solution_is_refused(lines: list[str], told: str) -> None:
    with pytest.raises(build.SourceError, match=told):
        list(build.without_solutions(lines, "source"))


def test_solutions_are_replaced_by_the_lines_above_them() -> None:
    lines = ["x = 1", "# a = ...", "# b = ...", build.BEGIN, "a = 2", "b = 3", build.END, "a"]
    kept = list(build.without_solutions(lines, "source"))
    assert kept == ["x = 1", "a = ...", "b = ...", "a"]


def test_the_second_version_is_given_copies_of_what_the_first_one_was_given() -> None:
    numbers = iter(range(9))
    ask = twice._remembering(lambda what: [next(numbers)])
    given = [ask("this"), ask("this"), ask("that")]
    given[0].append("mine")
    twice._asked.clear()  # the next version
    assert [ask("this"), ask("that"), ask("this"), ask("this")] == [[0], [2], [1], [3]]


BOTH = """# %%
assert "left" not in globals()
left = 1
# answer = ...
### BEGIN SOLUTION
answer = 1
### END SOLUTION
{}
print(f"{{int(answer == 1)}} of 1 questions answered rightly")
"""


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("", ["", ""]),
        ("answer / 1", ["TypeError: unsupported operand", "did not run"]),
        ("answer = ...", ["", "0 of 1 right, not 1"]),
        ("answer = 1", ["1 of 1 right, not 0", ""]),
        ("1 / (answer != 1)", ["", "ZeroDivisionError"]),
    ],
)
def test_a_notebook_that_does_not_do_in_either_version_is_told(
    line: str, wrong: list[str], tmp_path: Path
) -> None:
    source = tmp_path / "99_some.py"
    source.write_text(BOTH.format(line), encoding="utf-8")
    found = asyncio.run(build.execute(source, build.VERSIONS, None))
    assert [outcome.version for outcome in found] == list(build.VERSIONS)
    for outcome, text in zip(found, wrong, strict=True):
        assert outcome.wrong.startswith(text) and bool(outcome.wrong) == bool(text)


def _called(source: Path, name: str) -> list[str]:
    return re.findall(rf'quiz\.{name}\(\s*"([\d.]+)"', source.read_text(encoding="utf-8"))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_each_lesson_asks_and_checks_all_its_questions_in_order(source: Path) -> None:
    number = int(source.name[:2])
    ids = [question.id for question in QUESTIONS[number]]
    assert len(ids) >= 5
    assert ids == [f"{number}.{i + 1}" for i in range(len(ids))]
    assert _called(source, "ask") == ids
    assert _called(source, "check") == ids
    text = source.read_text(encoding="utf-8")
    assert f"quiz = lesson({number})" in text
    assert text.rstrip().endswith("quiz.score()")
    assert "predict" in text and "gap(" in text


@pytest.mark.parametrize("question", ALL, ids=lambda question: question.id)
def test_questions_can_be_answered(question: Number | Choice) -> None:
    assert question.hints and all(question.hints)
    if isinstance(question, Choice):
        assert len(question.options) >= 2
        if isinstance(question.key, str):
            assert question.key in question.options


CHOICES = [q for q in ALL if isinstance(q, Choice) and isinstance(q.key, str)]
BY_CHANCE = sum(1 / len(q.options) for q in CHOICES)  # rightly guessed


@pytest.mark.parametrize("extreme", [min, max])
def test_right_options_are_not_known_by_their_length(extreme: Callable[..., int]) -> None:
    shown = [
        q.id for q in CHOICES if len(q.options[str(q.key)]) == extreme(map(len, q.options.values()))
    ]
    assert len(shown) <= BY_CHANCE + 1, shown


def test_right_letters_vary() -> None:
    for letter in "abcd":
        share = sum(q.key == letter for q in CHOICES) / len(CHOICES)
        assert 0.1 < share < 0.4, letter


def test_every_letter_is_the_right_one_somewhere_within_a_few_lessons() -> None:
    runs = [q.key for q in CHOICES]
    assert not [i for i in range(len(runs) - 3) if len(set(runs[i : i + 4])) == 1]


def test_a_known_mistake_is_told_so_and_others_are_not() -> None:
    slips = (Slip(2, "That is the whole."), Slip(lambda right: 1 / right, "Upside down."))
    said: list[str] = []
    mine = Quiz([Number("1", "How long?", "s", half, ("A hint.",), slips)], said.append)
    for answer in (2.01, 0.25, 4000, 3):
        mine.check("1", answer, period=8)
    assert not mine.right
    assert [text.removesuffix(" Hint: A hint.") for text in said] == [
        "1: too small. That is the whole.",
        "1: too small. Upside down.",
        "1: too large. That is in milliseconds, and seconds are asked for.",
        "1: too small.",
    ]


def test_a_wrong_letter_is_told_why_and_the_right_one_is_not_among_them() -> None:
    for q in CHOICES:
        assert q.slips.keys() <= q.options.keys() - {q.key}, q.id
        for letter, told in q.slips.items():
            said: list[str] = []
            mine = Quiz([q], said.append)
            mine.check(q.id, letter)
            assert not mine.right and told in said[-1]


def test_there_are_thirteen_lessons_and_enough_questions() -> None:
    assert sorted(QUESTIONS) == [int(source.name[:2]) for source in SOURCES] == list(range(1, 14))
    assert len(ALL) >= 65


@pytest.mark.parametrize("page", ["docs/teaching.md", "docs/glossary.md", "notebooks/README.md"])
def test_pages_of_the_course_link_to_what_is_there(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#]+)\)", text)
    assert links or page == "docs/glossary.md"
    assert not [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]


def test_every_lesson_has_its_answers_in_the_teachers_table() -> None:
    """If this fails, make docs/answers.md anew, as `notebooks/answers.py` says."""
    text = (ROOT / "docs" / "answers.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| ([\d.]+) \|", text, re.MULTILINE) == [q.id for q in ALL]
