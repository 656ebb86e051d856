"""The commands of the command line that break things: `guarantees` and `torture`."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.table import Table

from lab.cli.options import Json, check_engines
from lab.cli.terminal import console, print_json, stoppable
from lab.description import InvalidInput
from lab.engines import ENGINES
from lab.trials import matrix, torture
from lab.trials.torture import Schedule

Engine = Annotated[
    str, typer.Option("--engine", metavar="|".join(ENGINES), help="Where to run: one of both.")
]


def guarantees_command(
    engine: Engine = "simulation",
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown table.")] = False,
) -> None:
    """Break things, and print what that does to messages: expected against observed.

    One small experiment for each strategy and fault, judged by the delivery checker. Exit status 1
    if a cell contradicts what is expected of it.
    """
    check_engines([engine])
    with stoppable() as report, _runner(engine) as run:
        found = list(matrix.cells(run, progress=report))
    if as_json:
        print_json(matrix.to_json(engine, found))
    elif markdown:
        print("\n".join(matrix.markdown(engine, found)))
    else:
        _show(engine, found)
    if not all(cell.agrees for cell in found):
        raise typer.Exit(1)


def torture_command(
    schedules: Annotated[int, typer.Option(help="How many.", min=1, max=10_000_000)] = 500,
    seed: Annotated[int, typer.Option(help="The first; the others follow.", min=0)] = 0,
    engine: Engine = "simulation",
    only: Annotated[
        str | None, typer.Option(help="Of one schedule, these faults only, as 0,2 or none.")
    ] = None,
    messages: Annotated[
        int | None, typer.Option(help="Of one schedule, so many messages only.", min=1)
    ] = None,
    as_json: Json = False,
) -> None:
    """Try random small experiments under random faults, and judge each.

    Every message must have a fate, and no strategy may break its promise. A failure is made as
    small as it goes and told in one line that repeats it. Exit status 1 if there is one.
    """
    check_engines([engine])
    if (only is not None or messages is not None) and schedules != 1:
        raise InvalidInput("--only and --messages: need --schedules 1")
    chosen = [Schedule(seed + i, _numbers(only), messages) for i in range(schedules)]
    with stoppable() as report:
        if engine == "loopback":
            outcome = torture.measure_all(chosen, report)
        elif only is not None or messages is not None:
            outcome = torture.try_one(chosen[0])
        else:
            workers = min(os.cpu_count() or 1, 8)
            outcome = torture.simulate_all(range(seed, seed + schedules), workers, report)
    if as_json:
        print_json(outcome.to_json())
    else:
        for line in torture.lines(outcome):
            print(line)
    if outcome.violations or outcome.unaccounted:
        raise typer.Exit(1)


def _numbers(only: str | None) -> tuple[int, ...] | None:
    if only is None:
        return None
    try:
        return tuple(int(n) for n in only.split(",")) if only != "none" else ()
    except ValueError:
        raise InvalidInput(f"--only: got {only!r}; need numbers, as 0,2, or none") from None


@contextmanager
def _runner(engine: str) -> Iterator[matrix.Run]:
    """Give the function that runs a strategy on an engine."""
    if engine == "simulation":
        yield torture.simulated
        return
    from lab.engines.loopback import Session  # needs sockets, which simulation does not

    with Session() as session:
        yield session.measure


def _show(engine: str, found: list[matrix.Cell]) -> None:
    table = Table(title=f"Guarantees, {engine}: expected / observed", title_justify="left")
    for name in ("strategy", *(column.name for column in matrix.COLUMNS)):
        table.add_column(name)
    for row in matrix.table(found):
        table.add_row(*row)
    out = console()
    out.print(table)
    out.print(", ".join(f"{k}: {v}" for k, v in matrix.LETTERS.items()) + ", W: waits only")
    wrong = [cell for cell in found if not cell.agrees]
    for cell in wrong:
        text: Any = "; ".join(cell.violations) or "not what is expected"
        out.print(f"{cell.strategy}, {cell.fault}: {text}", style="bold red", markup=False)
    out.print(f"{len(found) - len(wrong)} of {len(found)} cells agree with what is expected.")
