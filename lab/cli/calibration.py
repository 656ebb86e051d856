"""The commands that learn this machine's costs, and judge what they foretell: `calibrate`, `validate`."""

from pathlib import Path
from typing import Annotated

import typer

from lab import calibration
from lab.cli.options import Json
from lab.cli.terminal import console, print_json, stoppable
from lab.description import InvalidInput
from lab.files import check_folder
from lab.validation import show as validation_tables
from lab.validation import validate


def calibrate_command(
    quick: Annotated[
        bool, typer.Option("--quick", help="In a minute, and much less exact.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write the calibration. Default: the user's cache."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn the costs of this machine, from short measured runs.

    Each kind of connection is run at low, middle and high load, and the costs are fitted with which
    simulation repeats the runs. Takes a few minutes, nine on a slow machine that is often disturbed.
    Nothing else should run meanwhile. Without --out, `compare`, `simulate` and `predict` use it from
    then on.
    """
    path = out or calibration.own_path()
    if path.is_dir():
        raise InvalidInput(f"--out: got {path}; need a file")
    if out is None:
        path.parent.mkdir(parents=True, exist_ok=True)
    check_folder(path.parent)
    with stoppable() as report:
        data = calibration.calibrate(quick, report)
    calibration.save(data, path)
    if as_json:
        print_json(data)
        return
    for line in calibration.described(data):
        print(line)
    print(f"Written: {path}")


def validate_command(
    quick: Annotated[
        bool, typer.Option("--quick", help="A few short runs, to see that it works.")
    ] = False,
    replicates: Annotated[
        int | None,
        typer.Option(help="Runs of each held-out point. Default: 6, with --quick 2.", min=1),
    ] = None,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write report, figures and results.")
    ] = Path("results/validation"),
    as_json: Json = False,
) -> None:
    """Measure runs that calibration has not seen, and judge how well they are predicted.

    Calibrates and measures in one session of 20 to 45 minutes, during which nothing else should
    run; then prints the goals, the worst predictions first, and every point, with two simpler
    models beside ours.
    """
    check_folder(out)
    with stoppable() as report:
        found = validate(quick, replicates, report)
    found.save(out)
    if as_json:
        print_json(found.findings.to_json())
        return
    screen = console()
    screen.print(validation_tables.terminal(found.findings, screen.width))
    print(f"Written: {out}")
