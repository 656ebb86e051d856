"""What the commands share: how they write, show progress, and stop."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lab.compare import Progress as Report


class Interrupted(Exception):
    """Ctrl-C; the text says what became of the output."""


def console() -> Console:
    """Return standard output, which is wide unless it is a terminal."""
    found = Console()
    return found if found.is_terminal else Console(width=140)


def print_json(data: Any) -> None:
    print(json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False))


@contextmanager
def progress() -> Iterator[Report]:
    """Show a bar on standard error if that is a terminal."""
    errors = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def report(what: str, done: int, steps: int) -> None:
            bar.update(task, description=what, completed=done, total=steps)

        yield report


@contextmanager
def stoppable() -> Iterator[Report]:
    """Show progress; Ctrl-C ends the command, which has written nothing yet."""
    try:
        with progress() as report:
            yield report
    except KeyboardInterrupt:
        raise Interrupted("nothing was written") from None
