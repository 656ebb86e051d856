"""The command `pushpull gallery`: runs the experiments behind the figures, and draws them."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lab import machine
from lab.cli.options import Json, check_engines, costs
from lab.cli.terminal import print_json, stoppable
from lab.description import InvalidInput, no_such
from lab.engines import ENGINES
from lab.files import check_folder
from lab.physics import Calibrated

if TYPE_CHECKING:
    from lab.gallery import Exhibit


def gallery_command(
    quick: Annotated[
        bool, typer.Option("--quick", help="Short runs, fewer of them, in about a minute.")
    ] = False,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            "--engine", metavar="|".join(ENGINES), help="Only this engine. May be repeated."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write the figures and their page.")
    ] = Path("results/gallery"),
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this figure, as ecdf or load. May be repeated."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Run small experiments on both engines and draw every figure of the lab.

    Writes a PNG of each and README.md, which says what each shows, to DIR. Takes about eight minutes.
    Exit status 1 if a delivery promise was broken in any run.
    """
    from lab import gallery  # matplotlib: only if needed

    engines, exhibits = _engines(engine), _exhibits(only)
    charged = costs()
    check_folder(out)
    studies, idlers = gallery.gather(exhibits, quick)
    with stoppable() as report:
        found = gallery.run(studies, idlers, engines, charged.physics, quick, report)
        drawn = {exhibit.name: gallery.png(exhibit.draw(found)) for exhibit in exhibits}
    how = gallery.How(tuple(engines), quick, found.disturbed, tuple(_notes(charged, engines)))
    gallery.save(out, drawn, how)
    if as_json:
        shown = [_plain(exhibit, out, engines) for exhibit in exhibits]
        idle = [cost.to_json() for cost in found.idle]
        print_json({"exhibits": shown, "idle": idle, "violations": found.violations})
    else:
        for exhibit in exhibits:
            print(f"{out / exhibit.name}.png: {exhibit.question}")
        for violation in found.violations:
            print(f"Broken: {violation}")
        print(f"Written: {out / 'README.md'}")
    if found.violations:
        raise typer.Exit(1)


def _engines(chosen: list[str] | None) -> list[str]:
    check_engines(chosen or ())
    return [engine for engine in ENGINES if not chosen or engine in chosen]


def _exhibits(only: list[str] | None) -> "list[Exhibit]":
    from lab.gallery import EXHIBITS

    names = [exhibit.name for exhibit in EXHIBITS]
    for name in only or ():
        if name not in names:
            raise InvalidInput(f"--only {name}: {no_such(name, names, 'figure')}")
    return [exhibit for exhibit in EXHIBITS if not only or exhibit.name in only]


def _notes(charged: Calibrated, engines: list[str]) -> Iterator[str]:
    """Yield on what and when the figures were made."""
    if "simulation" in engines:
        made = charged.manifest
        yield f"Simulated with the costs measured on: {made.get('machine')}, {made.get('date')}."
    if "loopback" in engines:
        yield f"Measured on: {machine.name()}, {date.today().isoformat()}."


def _plain(exhibit: "Exhibit", out: Path, engines: list[str]) -> dict[str, Any]:
    return {
        "name": exhibit.name,
        "title": exhibit.title,
        "question": exhibit.question,
        "see": exhibit.see,
        "experiment": exhibit.experiment,
        "engines": engines,
        "file": str(out / f"{exhibit.name}.png"),
    }
