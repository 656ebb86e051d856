"""Bands for numeric answers, from the evidence: about a number, about a mean, about a ratio."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from lab.course.quiz import Band
from lab.metrics import Interval

ROUNDING = 0.05  # of a number: what is lost by reading it off, or by rounding it
BATCHES = 10


def near(value: float, within: float = ROUNDING, why: str = "") -> Band:
    """Return the band of that share around a number."""
    return Band(value - within * abs(value), value + within * abs(value), why)


def around(expected: float, found: float, within: float = ROUNDING, why: str = "") -> Band:
    """Return the band that holds both what theory expects and what was found, and is near them."""
    theory, seen = near(expected, within), near(found, within)
    return Band(min(theory.low, seen.low), max(theory.high, seen.high), why)


def mean_of(samples: ArrayLike, within: float = ROUNDING, why: str = "") -> Band:
    """Return the band of a mean: its 95 % interval by batch means, but `near` it at least.

    `samples` are in the order of time and may be correlated, as latencies are; NaN are left out.
    """
    return _wide_enough(interval_of(samples), within, why)


def ratio_of(
    samples: ArrayLike, others: ArrayLike, within: float = ROUNDING, why: str = ""
) -> Band:
    """Return the band of the ratio of two positive means, their errors taken as independent."""
    above, below = interval_of(samples), interval_of(others)
    shares = [i.half_width / i.mean for i in (above, below)]
    ratio, error = above.mean / below.mean, math.hypot(*shares)
    return _wide_enough(Interval(ratio, ratio / (1 + error), ratio * (1 + error)), within, why)


def over(values: Sequence[float], within: float = ROUNDING, why: str = "") -> Band:
    """Return the band of a mean over replications, by Student's interval, but `near` it at least."""
    return _wide_enough(Interval.over(values), within, why)


def interval_of(samples: ArrayLike) -> Interval:
    """Return the 95 % interval of the mean of a series, from the means of `BATCHES` parts of it."""
    known = np.asarray(samples, float)
    known = known[~np.isnan(known)]
    if len(known) < 2 * BATCHES:
        raise ValueError(f"need {2 * BATCHES} samples for an interval, got {len(known)}")
    return Interval.over(float(part.mean()) for part in np.array_split(known, BATCHES))


def _wide_enough(interval: Interval, within: float, why: str) -> Band:
    least = near(interval.mean, within)
    lows, highs = (interval.low, least.low), (interval.high, least.high)
    return Band(float(np.fmin(*lows)), float(np.fmax(*highs)), why)
