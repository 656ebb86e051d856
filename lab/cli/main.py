"""The command line: `pushpull`, or `python -m lab`.

Exit status: 0 done, 1 a promise was broken or a run failed, 2 input that cannot be used,
130 interrupted. Wrong input is answered with one line on standard error.
"""

import inspect
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lab import library, trace
from lab.cli import calibration, claims, faults, feed, gallery, runs
from lab.cli.options import Json
from lab.cli.terminal import Interrupted, print_json
from lab.description import InvalidInput
from lab.engines.common import MeasurementError
from lab.outcomes import checks, fates
from lab.scenario import Scenario
from lab.strategies import STRATEGIES
from lab.strategies.knobs import knobs
from lab.strategies.reading import called

HELP = """Should this data be pushed or pulled?

One workload, every way of delivering it, compared by theory, by simulation and by real traffic on
this machine's loopback interface. Start with: pushpull compare --quick
"""

SAID = {  # what typer says of a wrong option, and what the lab says
    "a valid integer, unable to parse string as an integer": "a whole number",
    "a valid number, unable to parse string as a number": "a number",
    "Input should be ": "need ",
}

app = typer.Typer(
    help=HELP,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


def list_command(
    strategy: Annotated[
        str | None,
        typer.Argument(
            metavar="[STRATEGY]",
            help="Tell what this strategy does, and its knobs.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
) -> None:
    """List the scenarios and the strategies, or the knobs of one strategy."""
    if strategy is not None:
        _list_knobs(strategy, as_json)
        return
    scenarios = {name: _first_line(library.find(name).question) for name in library.names()}
    strategies = {s.__name__: _first_line(s.__doc__) for s in STRATEGIES}
    if as_json:
        print_json({"scenarios": scenarios, "strategies": strategies})
        return
    for title, rows in (("Scenarios", scenarios), ("Strategies", strategies)):
        if markdown:
            print(f"\n| {title[:-1].lower().replace('ie', 'y')} | |\n|---|---|")
        else:
            print(title)
        for name, text in rows.items():
            print(f"| `{name}` | {text} |" if markdown else f"  {name:<18} {text}")


def _list_knobs(name: str, as_json: bool) -> None:
    strategy = type(called(name))
    found = list(knobs(strategy))
    if as_json:
        print_json({k.name: {"default": k.default, "allowed": k.allowed} for k in found})
        return
    print(f"{strategy.__name__}\n\n{inspect.cleandoc(strategy.__doc__ or '')}\n")
    print("Knobs, by default; durations in seconds")
    for knob in found:
        print(f"  {f'{knob.name}={knob.default}':<28} {knob.allowed}")


def check_command(
    path: Annotated[Path, typer.Argument(metavar="TRACE", help="A trace: an .npz file.")],
    as_json: Json = False,
) -> None:
    """Check that every message of a trace has one fate, in order and accounted for.

    Says what became of the messages, and to which fault they were lost. Exit status 0 if nothing is
    wrong, 1 if something is, 2 if TRACE is not a trace.
    """
    loaded = trace.load(path)
    violations, became = checks.check(loaded), fates.summary(loaded)
    told = [v._asdict() for v in violations]
    if as_json:
        print_json({"rows": len(loaded), "violations": told, **became._asdict()})
    else:
        for violation in violations:
            print(f"{violation.kind}: {violation.text}")
        print(f"{path}: {len(loaded):,} rows{'' if violations else ', nothing wrong'}")
        print(f"{became}")
    if violations:
        raise typer.Exit(1)


COMMANDS: dict[str, tuple[Callable[..., None], str]] = {  # each with its line in the list of them
    "list": (list_command, "List scenarios and strategies, or the knobs of one."),
    "compare": (runs.compare_command, "Deliver one workload by every strategy, and compare."),
    "simulate": (runs.simulate_command, "Simulate a scenario in virtual time."),
    "measure": (runs.measure_command, "Measure a scenario with real connections on 127.0.0.1."),
    "predict": (runs.predict_command, "Predict latency, cost and saturation, with intervals."),
    "calibrate": (
        calibration.calibrate_command,
        "Learn what this machine's loops and connections cost.",
    ),
    "validate": (calibration.validate_command, "Judge how well runs never seen are predicted."),
    "check": (check_command, "Check that every message of a trace has one fate."),
    "gallery": (gallery.gallery_command, "Draw every figure from small runs on both engines."),
    "guarantees": (faults.guarantees_command, "Break things, and see what that does to messages."),
    "torture": (faults.torture_command, "Try random runs under random faults, and judge them."),
    "serve": (feed.serve_command, "Offer messages in every way, to any client."),
    "feed": (feed.feed_command, "Bring a server's ticks into a database, each once."),
    "claims": (claims.claims_command, "Test what is said of push and pull."),
}
for _name, (_command, _line) in COMMANDS.items():
    app.command(_name, short_help=_line)(_command)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def run_scenario(scenario: Scenario) -> None:
    """Run `compare` on `scenario` with the options on the command line of a script."""
    sys.exit(_guarded(runs.script_of(scenario)))


def _guarded(command: Callable[..., Any], name: str | None = None) -> int:
    """Run a command; answer errors that are the user's with one line, and return the exit status."""
    try:
        status = command(prog_name=name, standalone_mode=False) or 0
        sys.stdout.flush()
        return status
    except InvalidInput as error:
        return _fail(str(error), 2)
    except Interrupted as error:
        return _fail(f"interrupted; {error}", 130)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (MeasurementError, OSError) as error:
        return _fail(str(error), 1)
    except Exception as error:
        if not hasattr(error, "format_message"):  # what typer raises for a wrong command line
            raise
        text = error.format_message()
        for said, shorter in SAID.items():
            text = text.replace(said, shorter)
        return _fail(text, 2)


def _fail(text: str, status: int) -> int:
    print(f"pushpull: {' '.join(text.split())}", file=sys.stderr)
    return status


def run() -> None:
    """The entry point of `pushpull`."""
    sys.exit(_guarded(app, "pushpull"))
