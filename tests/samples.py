"""Random samples for tests, and whether their mean agrees with a formula."""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def rng(seed: int = 1) -> np.random.Generator:
    return np.random.default_rng(seed)


def poisson_times(rate: float, count: int, seed: int = 1) -> Floats:
    return np.cumsum(rng(seed).exponential(1 / rate, count))


def agrees(samples: Floats, truth: float, blocks: int = 50, errors: float = 4.0) -> bool:
    """Say whether the mean of a correlated series is within `errors` standard errors of `truth`."""
    means = np.array([block.mean() for block in np.array_split(samples, blocks)])
    error = means.std(ddof=1) / math.sqrt(blocks)
    assert error < 0.1 * abs(truth), "too noisy to tell"
    return bool(abs(means.mean() - truth) < errors * error)
