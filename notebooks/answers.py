"""Write the teacher's table of expected answers from notebooks that were run with their solutions.

    python notebooks/build.py --run --instructor --out build/executed
    python notebooks/answers.py build/executed > docs/answers.md

Numbers are as accepted in that run; on another machine, measured ones are others.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import nbformat

from lab.course.questions import QUESTIONS
from lab.course.quiz import Choice, Number, Question

RIGHT = re.compile(r"^([\d.]+): right(?:, (\w))?\. ?(.*)$", re.MULTILINE)
ACCEPTED = re.compile(r" ?\(Accepted: (.+)\.\)$")

HEAD = """# Expected answers

Made by `notebooks/answers.py` from a run of the notebooks with their solutions on the reference
machine. Numbers are the band that was accepted there. Where a figure was measured, or depends on
what the student chose, it is another one elsewhere; the reasons stay the same.
"""


class Told(NamedTuple):
    """What was said to a right answer: its letter, if it is one, and why it is right."""

    letter: str
    why: str


def said(path: Path) -> dict[str, Told]:
    """Return what was said to each right answer in a notebook that was run, by question."""
    book = nbformat.read(path, as_version=4)
    outputs = [output for cell in book.cells for output in cell.get("outputs", ())]
    text = "\n".join(output.get("text", "") for output in outputs)
    return {id: Told(letter, why) for id, letter, why in RIGHT.findall(text)}


def row(question: Question, told: Told) -> str:
    """Return a question's line of the table."""
    cells = (question.id, question.prompt, _expected(question, told), ACCEPTED.sub("", told.why))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _expected(question: Question, told: Told) -> str:
    if isinstance(question, Number):
        accepted = ACCEPTED.search(told.why)
        assert accepted, told
        low, high = accepted[1].split(" to ")
        return f"{low if low == high else accepted[1]} {question.unit}".rstrip()
    if isinstance(question, Choice):
        fixed = "" if isinstance(question.key, str) else " (in this run)"
        return f"{told.letter}) {question.options[told.letter]}{fixed}"
    return "what was run is judged"


def main(folder: Path) -> None:
    print(HEAD)
    for path in sorted(folder.glob("*.instructor.ipynb")):
        number, _, name = path.name.partition("_")
        title = name.removesuffix(".instructor.ipynb").replace("_", " ")
        print(f"## Lesson {int(number)}: {title}\n")
        print("| | question | expected | why |\n|---|---|---|---|")
        told = said(path)
        for question in QUESTIONS[int(number)]:
            print(row(question, told[question.id]))
        print()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit(f"{Path(__file__).name}: need the folder of the notebooks that were run")
    main(Path(sys.argv[1]))
