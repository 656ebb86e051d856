"""The commands that face a scenario: `compare`, `simulate`, `measure` and `predict`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from lab import library
from lab.cli.options import Json, check_engines, costs
from lab.cli.ports import check_port
from lab.cli.terminal import Interrupted, console, print_json, progress, stoppable
from lab.compare import ENGINES, Comparison, compare
from lab.description import InvalidInput
from lab.files import check_folder
from lab.physics import Calibrated
from lab.prediction import show as forecast_tables
from lab.prediction.forecast import Forecast
from lab.prediction.predict import predict
from lab.report.aftermath import grids, terminal
from lab.report.table import table
from lab.scenario import Scenario, override
from lab.strategies.reading import called

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


def script_of(scenario: Scenario) -> typer.Typer:
    """Return the command line of a scenario's script: `compare` on it, with the same options."""
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

    return script


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
    if comparison.scenario.question.strip():
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
    if forecast.scenario.question.strip():
        screen.print(forecast.scenario.question.strip(), style="bold", highlight=False)
    screen.print(forecast_tables.latency_table(forecast, screen.width))
    screen.print()
    screen.print(forecast_tables.cost_table(forecast, screen.width))
    screen.print()
    screen.print(forecast_tables.LEGEND, highlight=False)
    screen.print("Where the promise ends:", style="bold", highlight=False)
    for text in forecast_tables.caveats(forecast):
        screen.print(f"- {text}.", highlight=False, markup=False)
