"""How the figures of the gallery are drawn from what was run."""

import math
from collections.abc import Callable, Iterator, Sequence

from matplotlib.figure import Figure

from lab import plots
from lab.compare import empty_system
from lab.gallery import scenarios
from lab.gallery.bench import Found
from lab.metrics import Interval, Metrics, Run, summarise, summarise_run
from lab.plots.load import SHOWN
from lab.theory import theory
from lab.trace import Trace


def ecdf(found: Found) -> Figure:
    return plots.ecdf(found.of("feed"))


def cost_plane(found: Found) -> Figure:
    results = [summarise_run(run) for run in found.of("feed")]
    return plots.cost_plane(results)


def anatomy(found: Found) -> Figure:
    return plots.anatomy([summarise_run(run) for run in found.of("feed")])


def sequence(found: Found) -> Figure:
    shown = (scenarios.FEED.strategies[0].label, scenarios.FEED.strategies[3].label)
    return plots.sequence([run for run in found.of("feed") if run.strategy in shown])


def lag(found: Found) -> Figure:
    return plots.lag(found.of("behind"))


def _first(found: Found) -> list[Trace]:
    return [run.traces[0] for run in found.of("behind")]


def offsets(found: Found) -> Figure:
    return plots.offsets(_first(found))


def places(found: Found) -> Figure:
    return plots.places(_first(found))


def load(found: Found) -> Figure:
    names = found.named("load_")
    return plots.load([*found.of(*names), *_foretold(found, names)])


def _foretold(found: Found, names: Sequence[str]) -> Iterator[plots.Level]:
    """Yield what theory says of the quantiles that the figure shows, where it says anything."""
    scenario_of = {study.scenario.name: study.scenario for study in scenarios.loads(found.quick)}
    for name in names:
        scenario = scenario_of[name]
        for strategy in scenario.strategies:
            transit, round_trip = empty_system(scenario, strategy, found.costs.steady())
            prediction = theory(scenario, strategy, transit, round_trip)
            known = {} if prediction is None else prediction.latency
            quantiles = [q for q in SHOWN if not math.isnan(known.get(q, math.nan))]
            for quantile in quantiles or (["mean"] if known else []):
                rate, value = scenario.workload.arrivals.mean_rate, Interval(known[quantile])
                yield plots.Level(strategy.label, "theory", quantile, rate, value)


def batch_size(found: Found) -> Figure:
    batches = []
    for size in scenarios.BATCHES:
        if f"flood_{size}" not in found.runs:
            continue
        calm = {(r.strategy, r.engine): r for r in found.of(f"calm_{size}")}
        for flood in found.of(f"flood_{size}"):
            latency = _over(calm[flood.strategy, flood.engine], lambda m: m.latency["p50"])
            achieved = _over(flood, lambda m: m.throughput["achieved"])
            name = flood.strategy.partition("(")[0]
            batches.append(plots.Batch(name, flood.engine, size, achieved, latency))
    return plots.batch_size(batches, f"median latency at {scenarios.CALM:g} per second")


def _over(run: Run, metric: Callable[[Metrics], float]) -> Interval:
    return Interval.over(metric(summarise(trace)) for trace in run.traces)


def idle(found: Found) -> Figure:
    return plots.idle(found.idle)


def by_interval(found: Found) -> Figure:
    contests = []
    for name in found.named("interval_"):
        rate = float(name.partition("_")[2])
        runs = found.of(name)
        for engine in dict.fromkeys(run.engine for run in runs):
            mine = {run.strategy: run for run in runs if run.engine == engine}
            push = mine["WebSocketPush"]
            for poll in scenarios.POLLS:
                pair = [push, mine[poll.label]]
                contests.append(plots.contest(rate, 1e3 * poll.interval, pair, _cpu, _plain))
    return plots.decision(contests, what="CPU time per message")


def _cpu(metrics: Metrics) -> float:
    return metrics.cpu_seconds_per_message


def _plain(label: str) -> str:
    return label.partition("(")[0]


def by_speed(found: Found) -> Figure:
    contests = []
    for name in found.named("speed_"):
        _, rate, microseconds = name.split("_")
        runs = found.of(name)
        for engine in dict.fromkeys(run.engine for run in runs):
            pair = [run for run in runs if run.engine == engine]
            contests.append(plots.contest(float(rate), int(microseconds) / 1e3, pair, _cpu))
    return plots.decision(contests, y="work per message (ms)", what="CPU time per message")
