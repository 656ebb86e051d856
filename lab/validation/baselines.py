"""Predictions that the model must beat, made from the calibration's own runs and nothing else.

`tandem`: the textbook's queue with fixed costs, on the point's own arrivals (see `tandem.py`).
`interpolation`: a straight line through the measured quantiles over the rate, both in logarithms,
between the two nearest rates of the point's kind, continued beyond the last of them; and in the same
way from the size that was run at the most rates to that of the point.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from statistics import geometric_mean

import numpy as np

from lab.validation.families import kind, rate, relatives, size
from lab.validation.latency import quantiles
from lab.validation.observed import Observation, Point
from lab.validation.rows import QUANTILES, typical
from lab.validation.tandem import tandem

Quantiles = dict[str, float]


def baselines(observation: Observation, fitted: Sequence[Observation]) -> dict[str, Quantiles]:
    """Return the quantiles in seconds by each baseline; those that cannot be made are left out."""
    found = {
        "tandem": _by_tandem(observation, fitted),
        "interpolation": _by_interpolation(observation.point, fitted),
    }
    return {name: values for name, values in found.items() if values}


def outside(point: Point, fitted: Sequence[Observation]) -> bool | None:
    """Say whether rate or size is beyond those that calibration ran of this kind; None if of none."""
    known = _kind(point, fitted)
    return any(not _within(measure, point, known) for measure in (rate, size)) if known else None


def _within(measure: Callable[[Point], float], point: Point, known: list[Observation]) -> bool:
    values = [measure(o.point) for o in known]
    return min(values) <= measure(point) <= max(values)


def _by_tandem(observation: Observation, fitted: Sequence[Observation]) -> Quantiles:
    known = relatives(observation.point, [o for o in fitted if o.measured])
    if not known or not observation.replications:
        return {}
    model = tandem(observation.point, known)
    runs = [model.latencies(observation.point, k) for k in observation.replications]
    return {
        name: typical(float(np.quantile(run, share)) for run in runs if len(run))
        for name, share in QUANTILES.items()
    }


def _by_interpolation(point: Point, fitted: Sequence[Observation]) -> Quantiles:
    known = [o for o in _kind(point, fitted) if o.measured]
    found = {}
    for name, share in QUANTILES.items():
        curves = defaultdict[float, dict[float, float]](dict)  # by size, then by rate
        for o in known:
            curves[size(o.point)][rate(o.point)] = typical(quantiles(o.measured, share).tolist())
        value = interpolated(curves, rate(point), size(point))
        if value is not None:
            found[name] = value
    return found


def _kind(point: Point, fitted: Sequence[Observation]) -> list[Observation]:
    mine = kind(point)
    return [o for o in fitted if kind(o.point) == mine]


def interpolated(
    curves: Mapping[float, Mapping[float, float]], rate: float, size: float
) -> float | None:
    """Return the value at `rate` and `size` by straight lines in logarithms; None if there are none.

    `curves` are values by rate, for each size. The size with the most rates has a curve; another
    one changes it by a factor, the geometric mean of those at its own rates.
    """
    if max(map(len, curves.values()), default=0) < 2:
        return None
    base = max(curves, key=lambda some: (len(curves[some]), -some))
    curve = sorted(curves[base].items())
    value = on_line(curve, rate)
    if size == base:
        return value
    if len(curves) < 2:
        return None
    factors = {
        some: geometric_mean(known / on_line(curve, at) for at, known in by_rate.items())
        for some, by_rate in curves.items()
    }
    return value * on_line(sorted(factors.items()), size)


def on_line(curve: Sequence[tuple[float, float]], x: float) -> float:
    """Return y at `x` on the line through the two points nearest to it, x and y in logarithms.

    `curve` has at least two points (x, y), x rising and all positive. The end pieces go on beyond.
    """
    xs = [point[0] for point in curve]
    after = min(max(1, int(np.searchsorted(xs, x))), len(xs) - 1)
    (x0, y0), (x1, y1) = curve[after - 1], curve[after]
    slope = math.log(y1 / y0) / math.log(x1 / x0)
    return y0 * (x / x0) ** slope
