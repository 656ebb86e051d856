"""Build the notebooks of the course from `notebooks/src`, check that they are in step, run them.

The student's version of a source has no outputs and no solutions. A solution stands between two
lines with the markers below, right after the lines that a student sees in its place, as comments:

    # answer = ...
    ### BEGIN SOLUTION
    answer = 0.5 * interval
    ### END SOLUTION

A cell with the tag `solution` is left out of the student's version as a whole. The instructor's
version is the source as it is.
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import jupytext
import nbformat
import typer
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

FOLDER = Path(__file__).parent
SOURCES = FOLDER / "src"
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
DOTS = re.compile(r"(\s*)# (\w+ = \.\.\.)$")
SCORE = re.compile(r"(\d+) of (\d+) questions answered rightly")
KERNEL = {"display_name": "Python 3", "language": "python", "name": "python3"}
CELL_DEADLINE = 120  # seconds
VERSIONS = ("student", "instructor")


class SourceError(ValueError):
    """A source that cannot be built; the text says where and why."""


def sources(lessons: list[str]) -> list[Path]:
    """Return the sources whose name begins with one of `lessons`, or all."""
    found = sorted(SOURCES.glob("[0-9][0-9]_*.py"))
    chosen = [path for path in found if not lessons or path.name.startswith(tuple(lessons))]
    if not chosen:
        raise SourceError(f"no source in {SOURCES.name} begins with {' or '.join(lessons)}")
    return chosen


def build(source: Path, version: str) -> Any:
    """Return a version of the notebook; the same source always gives the same notebook."""
    text = source.read_text(encoding="utf-8")
    book = jupytext.reads(text, fmt="py:percent")
    book.metadata = nbformat.NotebookNode(
        kernelspec=nbformat.NotebookNode(KERNEL),
        language_info=nbformat.NotebookNode(name="python"),
    )
    if version == "student":
        book.cells = [c for c in book.cells if "solution" not in c.metadata.get("tags", ())]
        for cell in book.cells:
            cell.source = "\n".join(without_solutions(cell.source.splitlines(), source.name))
    for number, cell in enumerate(book.cells, 1):
        cell.id = f"{source.name[:2]}-{number:02d}"  # or else it is drawn anew each time
    book.nbformat, book.nbformat_minor = 4, 5
    return book


def without_solutions(lines: list[str], where: str) -> Iterator[str]:
    """Take solutions out and uncomment what stands right above each."""
    open_block = False
    kept: list[str] = []
    for line in lines:
        if line.strip() == BEGIN and not open_block:
            open_block = True
            yield from _uncommented(kept, where)
            kept = []
        elif line.strip() == END and open_block:
            open_block = False
        elif line.strip() in (BEGIN, END):
            raise SourceError(f"{where}: {line.strip()} without its other half")
        elif not open_block:
            kept.append(line)
    if open_block:
        raise SourceError(f"{where}: {BEGIN} without its other half")
    yield from kept


def _uncommented(lines: list[str], where: str) -> list[str]:
    last = len(lines)
    while last and DOTS.match(lines[last - 1]):
        last -= 1
    if last == len(lines):
        raise SourceError(f"{where}: no line like '# answer = ...' right above {BEGIN}")
    return lines[:last] + [DOTS.sub(r"\1\2", line) for line in lines[last:]]


def text_of(book: Any) -> str:
    return nbformat.writes(book) + "\n"


def out_of_step() -> list[str]:
    """Return what is wrong with the student's notebooks that are in the folder."""
    wanted = {f"{path.stem}.ipynb": text_of(build(path, "student")) for path in sources([])}
    there = {path.name: path.read_text(encoding="utf-8") for path in FOLDER.glob("*.ipynb")}
    wrong = [f"{name}: no source" for name in sorted(there.keys() - wanted.keys())]
    wrong += [f"{name}: not built" for name in sorted(wanted.keys() - there.keys())]
    both = sorted(there.keys() & wanted.keys())
    return wrong + [f"{n}: not what its source gives" for n in both if there[n] != wanted[n]]


class Outcome(NamedTuple):
    """How a notebook ran: its score, the seconds it and its slowest cell took, what went wrong."""

    name: str
    version: str
    right: int
    questions: int
    seconds: float
    slowest: float
    wrong: str


async def execute(source: Path, versions: Sequence[str], out: Path | None) -> list[Outcome]:
    """Run versions from top to bottom, one after the other, in one process and an empty folder.

    Each begins without the names of the last one. With `out` keep them with their outputs.
    """
    books = {version: build(source, version) for version in versions}
    whole = build(source, versions[0])
    whole.cells = [cell for version in versions for cell in (_opening(), *books[version].cells)]
    with tempfile.TemporaryDirectory() as empty:
        place = {"metadata": {"path": empty}}
        kernel = NotebookClient(
            whole, timeout=CELL_DEADLINE, kernel_name="python3", resources=place
        )
        with suppress(CellExecutionError):  # it stands in the output of its cell
            await kernel.async_execute()
    if out:
        out.mkdir(parents=True, exist_ok=True)
        for version, book in books.items():
            (out / f"{source.stem}.{version}.ipynb").write_text(text_of(book), encoding="utf-8")
    return [_outcome(source.stem, version, book) for version, book in books.items()]


def _opening() -> Any:
    """Return a cell that forgets names, and has experiments remembered (see `twice.py`)."""
    path = f"__import__('sys').path.append({str(FOLDER)!r})"
    return nbformat.v4.new_code_cell(f"{path}\n__import__('twice').begin()")


def _outcome(name: str, version: str, book: Any) -> Outcome:
    printed = [output.get("text", "") for output in _outputs(book)]
    scores = SCORE.findall("".join(printed))
    right, questions = (int(n) for n in scores[-1]) if scores else (0, 0)
    errors = [f"{o.ename}: {o.evalue}" for o in _outputs(book) if o.output_type == "error"]
    wrong = errors[0] if errors else _misjudged(version, right, questions)
    times = _times(book)
    if not times:
        wrong = "did not run"
    slowest, seconds = max(times, default=0.0), sum(times)
    return Outcome(name, version, right, questions, seconds, slowest, wrong)


def _outputs(book: Any) -> Iterator[Any]:
    for cell in book.cells:
        if "raises-exception" not in cell.metadata.get("tags", ()):
            yield from cell.get("outputs", ())


def _misjudged(version: str, right: int, questions: int) -> str:
    if not questions:
        return "no score: the last cell is quiz.score()"
    wanted = questions if version == "instructor" else 0
    return "" if right == wanted else f"{right} of {questions} right, not {wanted}"


def _times(book: Any) -> list[float]:
    """Return the seconds of each cell that ran."""
    times = [cell.metadata.get("execution", {}) for cell in book.cells]
    both = [(t.get("iopub.execute_input"), t.get("shell.execute_reply")) for t in times]
    return [_seconds(*pair) for pair in both if all(pair)]


def _seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


async def execute_all(
    chosen: list[Path], versions: list[str], jobs: int, out: Path | None
) -> list[Outcome]:
    """Run notebooks, `jobs` of them at a time."""
    free = asyncio.Semaphore(jobs)

    async def one(source: Path) -> list[Outcome]:
        async with free:
            return await execute(source, versions, out)

    found = await asyncio.gather(*(one(source) for source in chosen))
    return [outcome for outcomes in found for outcome in outcomes]


def report(outcomes: list[Outcome]) -> str:
    """Return a Markdown table of how the notebooks ran."""
    lines = [
        "| notebook | version | right | questions | run time (s) | slowest cell (s) |",
        "|---|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{o.name}` | {o.version} | {o.right} | {o.questions} | {o.seconds:.0f} | {o.slowest:.1f} |"
        for o in outcomes
    ]
    if len({o.version for o in outcomes}) > 1:
        lines += ["", "Times of the second version are without the experiments of the first."]
    return "\n".join(lines)


def main(
    lessons: Annotated[
        list[str] | None, typer.Argument(help="Numbers such as 01; by default all.")
    ] = None,
    check: Annotated[
        bool, typer.Option(help="Only say whether the notebooks are in step.")
    ] = False,
    instructor: Annotated[bool, typer.Option(help="The version with solutions.")] = False,
    both: Annotated[bool, typer.Option(help="With --run: both versions.")] = False,
    run: Annotated[bool, typer.Option(help="Run from top to bottom, and check the score.")] = False,
    jobs: Annotated[int, typer.Option(min=1, help="Notebooks run at the same time.")] = 1,
    out: Annotated[Path | None, typer.Option(help="The folder to write to.")] = None,
) -> None:
    """Build the student's notebooks in this folder; or check, run, or build those with solutions."""
    if check:
        wrong = out_of_step()
        sys.exit("\n".join([*wrong, "run: python notebooks/build.py"]) if wrong else 0)
    try:
        chosen = sources(lessons or [])
    except SourceError as error:
        sys.exit(str(error))
    version = "instructor" if instructor else "student"
    if run:
        versions = list(VERSIONS) if both else [version]
        outcomes = asyncio.run(execute_all(chosen, versions, jobs, out))
        print(report(outcomes))
        failed = [f"{o.name}, {o.version}: {o.wrong}" for o in outcomes if o.wrong]
        sys.exit("\n".join(failed) if failed else 0)
    if instructor and out in (None, FOLDER):
        sys.exit("--instructor: need --out DIR; solutions stay apart from the student's notebooks")
    folder = out or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for source in chosen:
        path = folder / f"{source.stem}.ipynb"
        path.write_text(text_of(build(source, version)), encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)
