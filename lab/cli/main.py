"""The command line: `pushpull`, or `python -m lab`.

Exit status: 0 done, 1 a promise was broken or a run failed, 2 input that cannot be used,
130 interrupted. Wrong input is answered with one line on standard error.
"""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from lab import calibration, library, trace
from lab.cli import claims, faults, feed, gallery
from lab.cli.options import Json, check_engines, costs
from lab.cli.ports import check_port
from lab.cli.terminal import Interrupted, console, print_json, progress, stoppable
from lab.compare import ENGINES, Comparison, compare
from lab.description import InvalidInput
from lab.engines.common import MeasurementError
from lab.files import check_folder
from lab.outcomes import checks, fates
from lab.physics import Calibrated
from lab.prediction import show as forecast_tables
from lab.prediction.forecast import Forecast
from lab.prediction.predict import predict
from lab.report.aftermath import grids, terminal
from lab.report.table import table
from lab.scenario import Scenario, override
from lab.strategies import STRATEGIES
from lab.strategies.reading import called
from lab.validation import show as validation_tables
from lab.validation import validate

HELP = """Should this data be pushed or pulled?

One workload, every way of delivering it, compared by theory, by simulation and by real traffic on
this machine's loopback interface. Start with: pushpull compare --quick
"""

app = typer.Typer(
    help=HELP,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ScenarioName = Annotated[
    str,
    typer.Argument(
        metavar="[SCENARIO]",
        help="A name from `pushpull list`, or a .py, .toml or .json file.",
        show_default=True,
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="A short run with few replications.")]
Seed = Annotated[
    int | None, typer.Option(help="Draw other messages: the seed of the workload.", min=0)
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="FIELD=VALUE",
        help="Change a field, as workload.arrivals.rate=200, strategy.interval=0.2 (of every"
        " strategy that has it) or strategy.ShortPoll.interval=0.2. May be repeated.",
    ),
]
Strategies = Annotated[
    list[str] | None,
    typer.Option(
        "--strategy",
        metavar="NAME",
        help="Face the workload with this strategy, as Webhook or 'ShortPoll(interval=0.2)', and not"
        " with the scenario's own. May be repeated.",
    ),
]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write report and traces.")]
Replications = Annotated[
    int | None, typer.Option(help="How often to repeat each run.", min=1, max=1000)
]
Engines = Annotated[
    list[str] | None,
    typer.Option("--engine", metavar="|".join(ENGINES), help="Only this engine. May be repeated."),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration",
        metavar="FILE",
        help="Simulate with these costs, made by `pushpull calibrate`. Default: this machine's own"
        " if it was calibrated, or else the reference.",
    ),
]
Port = Annotated[
    int | None,
    typer.Option(help="Let the server listen on this port, to watch it. Default: any free port."),
]


@app.callback(invoke_without_command=True)
def start(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        print(context.get_help())


@app.command("list")
def list_all(
    as_json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown tables.")] = False,
) -> None:
    """List the scenarios and the strategies."""
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


@app.command("compare")
def compare_command(
    scenario: ScenarioName = library.DEFAULT,
    quick: Quick = False,
    seed: Seed = None,
    strategies: Strategies = None,
    settings: Settings = None,
    replications: Replications = None,
    engine: Engines = None,
    out: Out = None,
    as_json: Json = False,
    calibration_file: Calibration = None,
    port: Port = None,
) -> None:
    """Deliver one workload by every strategy: in theory, simulated and measured.

    Writes report.html, report.md, results.json, figures and traces to DIR, by default
    results/SCENARIO.
    """
    chosen = _prepare(library.find(scenario), quick, seed, strategies, settings, replications)
    folder = out or Path("results") / chosen.name
    _compare(chosen, engine or list(ENGINES), folder, as_json, port, calibration_file)


@app.command("simulate")
def simulate_command(
    scenario: ScenarioName = library.DEFAULT,
    quick: Quick = False,
    seed: Seed = None,
    strategies: Strategies = None,
    settings: Settings = None,
    replications: Replications = None,
    out: Out = None,
    as_json: Json = False,
    calibration_file: Calibration = None,
) -> None:
    """Simulate a scenario in virtual time. Writes a report only if DIR is given."""
    chosen = _prepare(library.find(scenario), quick, seed, strategies, settings, replications)
    _compare(chosen, ["simulation"], out, as_json, None, calibration_file)


@app.command("measure")
def measure_command(
    scenario: ScenarioName = library.DEFAULT,
    quick: Quick = False,
    seed: Seed = None,
    strategies: Strategies = None,
    settings: Settings = None,
    replications: Replications = None,
    out: Out = None,
    as_json: Json = False,
    port: Port = None,
) -> None:
    """Measure a scenario with real connections on 127.0.0.1. Writes a report only if DIR is given."""
    chosen = _prepare(library.find(scenario), quick, seed, strategies, settings, replications)
    _compare(chosen, ["loopback"], out, as_json, port)


@app.command("predict")
def predict_command(
    scenario: ScenarioName = library.DEFAULT,
    quick: Quick = False,
    seed: Seed = None,
    strategies: Strategies = None,
    settings: Settings = None,
    as_json: Json = False,
    calibration_file: Calibration = None,
) -> None:
    """Predict latency, cost and the load that saturates, with intervals. Measures nothing.

    Says which resource limits each strategy, and where the promise ends.
    """
    chosen = _prepare(library.find(scenario), quick, seed, strategies, settings, None)
    with stoppable() as report:
        forecast = predict(chosen, costs(calibration_file), report)
    if as_json:
        print_json(forecast.to_json())
    else:
        _show_forecast(forecast)


@app.command("calibrate")
def calibrate_command(
    quick: Annotated[
        bool, typer.Option("--quick", help="In half a minute, and much less exact.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Where to write the calibration. Default: the user's cache."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Learn the costs of this machine, from about three minutes of short measured runs.

    Each kind of connection is run at low, middle and high load, and the costs are fitted with which
    simulation repeats the runs. Nothing else should run meanwhile. Without --out, `compare`,
    `simulate` and `predict` use it from then on.
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


@app.command("validate")
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

    Calibrates and measures in one session of about 20 minutes, during which nothing else should
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


@app.command("check")
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


app.command("gallery")(gallery.gallery_command)
app.command("guarantees")(faults.guarantees_command)
app.command("torture")(faults.torture_command)
app.command("serve")(feed.serve_command)
app.command("feed")(feed.feed_command)
app.command("claims")(claims.claims_command)


def _prepare(
    scenario: Scenario,
    quick: bool,
    seed: int | None,
    strategies: list[str] | None,
    settings: list[str] | None,
    replications: int | None,
) -> Scenario:
    chosen = override(_facing(scenario, strategies or []), settings or [])
    if seed is not None:
        chosen = override(chosen, [f"workload.seed={seed}"])
    if quick:
        chosen = chosen.quick()
    if replications is not None:
        chosen = override(chosen, [f"replications={replications}"])
    return chosen


def _facing(scenario: Scenario, names: list[str]) -> Scenario:
    """Return `scenario` with the strategies of those names instead of its own, if there are any."""
    if not names:
        return scenario
    try:
        chosen = [called(name, scenario.strategies) for name in names]
    except InvalidInput as error:
        raise InvalidInput(f"--strategy {error}") from None
    fields = {name: getattr(scenario, name) for name in scenario.model_fields_set}
    return Scenario.read(fields | {"strategies": chosen}, "--strategy")


def _compare(
    scenario: Scenario,
    engines: list[str],
    out: Path | None,
    as_json: bool,
    port: int | None,
    calibration_file: Path | None = None,
) -> None:
    check_engines(engines, ENGINES)
    check_port(port)
    check_folder(out)
    comparison = _run(scenario, engines, out, costs(calibration_file), port or 0)
    if as_json:
        print_json(comparison.to_json())
    else:
        _show(comparison, out)
    if comparison.violations:
        raise typer.Exit(1)


def _run(
    scenario: Scenario, engines: list[str], out: Path | None, charged: Calibrated, port: int
) -> Comparison:
    state = "nothing was written"
    try:
        with progress() as report:
            comparison = compare(scenario, charged, engines, report, port)
        if out is not None:
            state = f"what is in {out} is incomplete"
            comparison.save(out)
    except KeyboardInterrupt:
        raise Interrupted(state) from None
    return comparison


def _show(comparison: Comparison, out: Path | None) -> None:
    screen = console()
    screen.print(comparison.scenario.question.strip(), style="bold", highlight=False)
    screen.print(table(comparison.results, width=screen.width))
    for grid in grids(comparison.scenario, comparison.runs):
        screen.print(terminal(grid))
    for note in comparison.notes:
        screen.print(f"Note: {note}.", highlight=False, markup=False)
    for violation in comparison.violations:
        screen.print(f"Broken: {violation}", style="bold red", highlight=False, markup=False)
    if out is not None:
        screen.print(f"Written: {out / 'report.html'}", highlight=False, soft_wrap=True)


def _show_forecast(forecast: Forecast) -> None:
    screen = console()
    screen.print(forecast.scenario.question.strip(), style="bold", highlight=False)
    screen.print(forecast_tables.latency_table(forecast, screen.width))
    screen.print()
    screen.print(forecast_tables.cost_table(forecast, screen.width))
    screen.print()
    screen.print(forecast_tables.LEGEND, highlight=False)
    screen.print("Where the promise ends:", style="bold", highlight=False)
    for text in forecast_tables.caveats(forecast):
        screen.print(f"- {text}.", highlight=False, markup=False)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]


def run_scenario(scenario: Scenario) -> None:
    """Run `compare` on `scenario` with the options on the command line of a script."""
    script = typer.Typer(
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    if Path(sys.argv[0]).suffix == ".py":
        scenario = library.named(scenario, Path(sys.argv[0]))

    @script.command(help=scenario.question)
    def command(
        quick: Quick = False,
        seed: Seed = None,
        strategies: Strategies = None,
        settings: Settings = None,
        replications: Replications = None,
        engine: Engines = None,
        out: Out = None,
        as_json: Json = False,
        calibration_file: Calibration = None,
        port: Port = None,
    ) -> None:
        chosen = _prepare(scenario, quick, seed, strategies, settings, replications)
        folder = out or Path("results") / chosen.name
        _compare(chosen, engine or list(ENGINES), folder, as_json, port, calibration_file)

    sys.exit(_guarded(script))


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
        return _fail(error.format_message(), 2)


def _fail(text: str, status: int) -> int:
    print(f"pushpull: {' '.join(text.split())}", file=sys.stderr)
    return status


def run() -> None:
    """The entry point of `pushpull`."""
    sys.exit(_guarded(app, "pushpull"))
