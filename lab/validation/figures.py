"""The figures of a validation."""

from collections.abc import Iterator, Mapping, Sequence

from matplotlib.figure import Figure

from lab import plots
from lab.metrics import Interval, Result, Run, summarise_run
from lab.plots.load import Level, load
from lab.validation.agreement import agreement
from lab.validation.misfit import misfit
from lab.validation.observed import Observation
from lab.validation.rows import Row

Curve = Sequence[tuple[float, float]]  # rates per second, mean latencies in seconds
FEWEST_RATES = 3  # for a figure of latency against load
DISSECTED = 6  # points whose latency is shown in parts


def figures(
    observations: Sequence[Observation],
    rows: Sequence[Row],
    theory: Mapping[str, Curve] | None = None,
) -> Iterator[tuple[str, Figure]]:
    """Yield a name for a file, without its ending, and a figure, for all figures of a validation.

    `rows` are those of `observations`. `theory` has the curve of theory for labels of strategies.
    """
    yield "agreement", agreement(rows)
    yield "misfit", misfit(rows)
    ranked = by_misfit(observations, rows)
    chosen = [ranked[i] for i in sorted({0, len(ranked) // 2, len(ranked) - 1})] if ranked else []
    yield "ecdf", plots.ecdf([run for o in chosen for run in runs(o)])
    yield "anatomy", plots.anatomy(dissected(ranked[:DISSECTED]))
    for label, some in by_load(rows).items():
        yield f"load_{some[0].place.name}", load([*levels(some)], theory and _only(theory, label))


def levels(rows: Sequence[Row]) -> Iterator[Level]:
    """Yield what the figure over load shows: the model and its central 95 %, and what was measured.

    The bounds of what was measured are those for one more replicate.
    """
    for row in rows:
        strategy, rate, quantile = row.place.strategy, row.place.rate, row.quantile
        model = Interval(row.predicted, row.predicted_low, row.predicted_high)
        yield Level(strategy, "simulation", quantile, rate, model)
        measured = Interval(row.measured, row.low, row.high)
        yield Level(strategy, "loopback", quantile, rate, measured, not row.place.held_out)


def _only(theory: Mapping[str, Curve], label: str) -> Mapping[str, Curve]:
    return {label: theory[label]} if label in theory else {}


def runs(observation: Observation) -> list[Run]:
    """Return the predicted and the measured runs of a point."""
    point = observation.point
    title = f"{point.strategy.label}, {point.setting}"
    return [
        Run(title, "simulation", observation.predicted),
        Run(title, "loopback", observation.measured),
    ]


def dissected(observations: Sequence[Observation]) -> list[Result]:
    """Return what the figure of the anatomy shows: predicted and measured parts, side by side."""
    return [summarise_run(run) for o in observations for run in runs(o)]


def by_misfit(observations: Sequence[Observation], rows: Sequence[Row]) -> list[Observation]:
    """Return the points for which the lab answers, that with the largest of its errors first."""
    worst: dict[tuple[str, str], float] = {}
    for row in rows:
        if row.promised:
            key = row.place.strategy, row.place.setting
            worst[key] = max(worst.get(key, 0.0), row.badness)
    named = {
        (o.point.strategy.label, o.point.setting): o for o in observations if not o.point.fitted
    }
    return [named[key] for key in sorted(worst, key=worst.__getitem__, reverse=True)]


def by_load(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return, for each strategy, the rows of its family with the most rates, if they are enough.

    Overloads are left out, as their latency depends on how long the run lasts, and runs not pinned.
    """
    families: dict[str, list[Row]] = {}
    for row in rows:
        if row.place.overloaded or not row.place.pinned:
            continue
        families.setdefault(row.place.family, []).append(row)
    best: dict[str, list[Row]] = {}
    for some in families.values():
        name = some[0].place.name
        if _rates(some) >= max(FEWEST_RATES, _rates(best.get(name, [])) + 1):
            best[name] = some
    return {some[0].place.strategy: some for some in best.values()}


def _rates(rows: Sequence[Row]) -> int:
    return len({row.place.rate for row in rows})
