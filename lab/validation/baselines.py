"""Predictions that the model must beat, made from the calibration's own runs and nothing else.

`tandem`: the textbook's queue with fixed costs, on the point's own arrivals (see `tandem.py`).
`interpolation`: a straight line through the measured quantiles over the rate, both in logarithms,
between the two nearest rates of the point's family, continued beyond the last of them.
"""

import math
from collections.abc import Sequence

import numpy as np

from lab.validation.families import family, rate, relatives
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
    """Say whether the rate is beyond those that calibration ran of this family; None if of none."""
    rates = [rate(o.point) for o in _family(point, fitted)]
    return not min(rates) <= rate(point) <= max(rates) if rates else None


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
    known = {rate(o.point): o.measured for o in _family(point, fitted) if o.measured}
    if len(known) < 2:
        return {}
    found = {}
    for name, share in QUANTILES.items():
        curve = {r: typical(quantiles(traces, share).tolist()) for r, traces in known.items()}
        found[name] = on_line(sorted(curve.items()), rate(point))
    return found


def _family(point: Point, fitted: Sequence[Observation]) -> list[Observation]:
    return [o for o in fitted if family(o.point) == family(point)]


def on_line(curve: Sequence[tuple[float, float]], x: float) -> float:
    """Return y at `x` on the line through the two points nearest to it, x and y in logarithms.

    `curve` has at least two points (x, y), x rising and all positive. The end pieces go on beyond.
    """
    xs = [point[0] for point in curve]
    after = min(max(1, int(np.searchsorted(xs, x))), len(xs) - 1)
    (x0, y0), (x1, y1) = curve[after - 1], curve[after]
    slope = math.log(y1 / y0) / math.log(x1 / x0)
    return y0 * (x / x0) ** slope
