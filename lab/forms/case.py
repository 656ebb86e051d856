"""What the closed forms start from (a `Case`) and what they come to (a `Prediction`)."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammainc, gammaincc, gammaln, xlogy

from lab.scenario import Scenario
from lab.workload import Constant, Exponential, Periodic, Poisson, Workload

Floats = NDArray[np.float64]

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}
UNKNOWN: Mapping[str, float] = dict.fromkeys(("mean", *QUANTILES, "max"), math.nan)

MUCH = 10.0  # "a is much larger than b" means at least this many times
RARE = 1e-3  # "x rarely happens" means with at most this probability
NODES, WEIGHTS = np.polynomial.hermite.hermgauss(64)


@dataclass(frozen=True)
class Prediction:
    """What theory says of one strategy; NaN where there is no closed form.

    `form` names the closed form and what it assumes. `latency` has the keys mean, p50, p90, p99
    and max, in seconds from the intended time to the end of the work; max is the bound that no
    message exceeds, known only where there is one. `requests_per_message` are those between broker
    and consumer per message and consumer, `empty_replies` the share of them that finds nothing,
    `loss` the share of messages dropped.
    """

    form: str
    latency: dict[str, float] = field(default_factory=lambda: dict(UNKNOWN))
    requests_per_message: float = math.nan
    empty_replies: float = math.nan
    loss: float = 0.0

    def but(self, **changes: Any) -> "Prediction":
        """Return the same prediction with `changes`."""
        return replace(self, **changes)


@dataclass(frozen=True)
class Case:
    """A workload, what a lone message and an empty request take (seconds), and what a log keeps."""

    workload: Workload
    scenario: Scenario
    transit: float
    round_trip: float

    @cached_property
    def rate(self) -> float:
        return self.workload.arrivals.mean_rate

    @property
    def work(self) -> float:
        return self.workload.work.mean

    @property
    def work_squared(self) -> float:
        return self.workload.work.second_moment

    @property
    def load(self) -> float:
        return self.rate * self.work

    @property
    def is_poisson(self) -> bool:
        return isinstance(self.workload.arrivals, Poisson)

    @property
    def is_periodic(self) -> bool:
        return isinstance(self.workload.arrivals, Periodic)

    @property
    def work_is_constant(self) -> bool:
        return self.work_squared <= self.work**2 * (1 + 1e-12)

    @property
    def work_is_exponential(self) -> bool:
        return isinstance(self.workload.work, Exponential)

    def transform(self, s: float) -> float:
        """Return E[exp(-s·work)]."""
        return TRANSFORMS[self.workload.work.kind](self.workload.work, s)

    def arrivals_in_service(self, held: float, most: int) -> Floats | None:
        """Return P(0 … most arrivals) during a work and `held` seconds more, where it is known."""
        number = np.arange(most + 1)
        if self.work_is_constant:
            return _poisson(number, self.rate * (self.work + held))
        if not self.work_is_exponential:
            return None
        geometric = (self.load / (1 + self.load)) ** number / (1 + self.load)
        return np.convolve(geometric, _poisson(number, self.rate * held))[: most + 1]

    def latency(self, mean: float, **known: float) -> dict[str, float]:
        """Return the latencies of a `Prediction`, each with the transit added."""
        values = {**UNKNOWN, "mean": mean, **known}
        return {name: value + self.transit for name, value in values.items()}

    def latency_with(self, mean: float, quantile: Callable[[float], float]) -> dict[str, float]:
        return self.latency(mean, **{name: quantile(p) for name, p in QUANTILES.items()})

    def always(self, time: float) -> dict[str, float]:
        """Return the latencies if each message takes the transit and `time` seconds more."""
        return self.latency(time, **dict.fromkeys((*QUANTILES, "max"), time))


Promise = Callable[[Case, Any], Prediction | None]


def _poisson(number: NDArray[np.int64], mean: float) -> Floats:
    return np.exp(xlogy(number, mean) - mean - gammaln(number + 1))


def rarely_more(mean: float, limit: float) -> bool:
    """Say whether a Poisson variable with that mean rarely exceeds `limit`."""
    return mean == 0 or limit == math.inf or float(gammainc(math.floor(limit) + 1, mean)) <= RARE


def rarely_fewer(mean: float, limit: int) -> bool:
    """Say whether a Poisson variable with that mean is rarely below `limit`."""
    return mean == math.inf or float(gammaincc(limit, mean)) <= RARE


def _constant(work: Constant, s: float) -> float:
    return math.exp(-s * work.value)


def _uniform(work: Any, s: float) -> float:
    width = s * (work.high - work.low)
    spread = -math.expm1(-width) / width if width > 0 else 1.0
    return math.exp(-s * work.low) * spread


def _exponential(work: Exponential, s: float) -> float:
    return 1 / (1 + s * work.mean)


def _lognormal(work: Any, s: float) -> float:
    """Integrate by Gauss and Hermite over the normal variable."""
    median = work.mean * math.exp(-(work.sigma**2) / 2)
    values = median * np.exp(work.sigma * math.sqrt(2) * NODES)
    return float(WEIGHTS @ np.exp(-s * values)) / math.sqrt(math.pi)


TRANSFORMS: dict[str, Callable[[Any, float], float]] = {
    "constant": _constant,
    "uniform": _uniform,
    "exponential": _exponential,
    "lognormal": _lognormal,
}
