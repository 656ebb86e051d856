"""The command of the command line that puts claims to the test: `claims`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lab.claims import CLAIMS, ledger, show
from lab.claims.base import Claim
from lab.cli.options import Json, check_engines, costs
from lab.cli.terminal import Interrupted, console, print_json, progress
from lab.description import InvalidInput
from lab.engines import ENGINES
from lab.files import check_folder


def claims_command(
    numbers: Annotated[
        list[int] | None,
        typer.Argument(metavar="NUMBER", help="Which claims. Default: all."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(
            "--engine",
            metavar="|".join(ENGINES),
            help="Only this engine. May be repeated. Default: both.",
        ),
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Short runs, three of each: wider intervals.")
    ] = False,
    as_json: Json = False,
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where to write figures and the whole ledger.")
    ] = Path("results/claims"),
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print a short Markdown table.")
    ] = False,
) -> None:
    """Test what is said of push and pull, by simulation and by measurement.

    Each claim has an experiment, a criterion fixed beforehand, and a verdict that is computed from the
    runs: supported, refuted, depends (on what, and from where on), or not measurable here. Prints
    the ledger; writes ledger.md and a figure for each claim to DIR. All claims by both engines take
    about twelve minutes, during which nothing else should run.
    """
    chosen, engines = _chosen(numbers or []), engine or list(ENGINES)
    check_engines(engines)
    check_folder(out)
    state = "nothing was written"
    try:
        with progress() as report:
            found = ledger.ledger(chosen, engines, costs(), quick, report)
        state = f"what is in {out} is incomplete"
        found = show.save(found, out)
    except KeyboardInterrupt:
        raise Interrupted(state) from None
    if as_json:
        print_json(found.to_json())
    elif markdown:
        print("\n".join(show.markdown(found)))
    else:
        show.terminal(console(), found, out)
    if found.violations:
        for violation in found.violations if as_json or markdown else ():
            print(f"Broken: {violation}", file=sys.stderr)
        raise typer.Exit(1)


def _chosen(numbers: list[int]) -> list[Claim]:
    """Return the claims of those numbers, or all, in order."""
    known = {claim.number: claim for claim in CLAIMS}
    for number in numbers:
        if number not in known:
            raise InvalidInput(f"claim {number}: there is none; need {min(known)} to {max(known)}")
    return [known[number] for number in sorted(set(numbers) or known)]
