"""The workload: when messages are created, how large they are, what work they cost a consumer.

It is drawn once from its seed, so that every strategy and both engines face the same messages.
Times are rounded to whole nanoseconds, which the simulation counts in.
"""

import csv
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field, model_validator

from lab.description import (
    LONGEST,
    Count,
    Description,
    InvalidInput,
    Natural,
    Number,
    PositiveSeconds,
    Rate,
    Seconds,
)

Floats = NDArray[np.float64]

MOST_MESSAGES = 20_000_000  # about 2.5 GB of trace: beyond that a run is refused before it starts
MOST_BURSTS = 1_000_000
NANOSECONDS = 1e9


class Constant(Description):
    """Always `value`."""

    kind: Literal["constant"] = "constant"
    value: Annotated[Number, Field(ge=0)]

    @property
    def mean(self) -> float:
        return self.value

    @property
    def second_moment(self) -> float:
        return self.value**2

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return np.full(count, self.value)


class Uniform(Description):
    """Evenly between `low` and `high`."""

    kind: Literal["uniform"] = "uniform"
    low: Annotated[Number, Field(ge=0)]
    high: Annotated[Number, Field(ge=0)]

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if self.low > self.high:
            raise ValueError(f"need low <= high, got {self.low:g} and {self.high:g}")
        return self

    @property
    def mean(self) -> float:
        return (self.low + self.high) / 2

    @property
    def second_moment(self) -> float:
        return (self.low**2 + self.low * self.high + self.high**2) / 3

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return rng.uniform(self.low, self.high, count)


class Exponential(Description):
    """Exponential with that mean."""

    kind: Literal["exponential"] = "exponential"
    mean: Annotated[Number, Field(gt=0)]

    @property
    def second_moment(self) -> float:
        return 2 * self.mean**2

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return rng.exponential(self.mean, count)


class LogNormal(Description):
    """Lognormal with that mean; `sigma` is the standard deviation of the logarithm."""

    kind: Literal["lognormal"] = "lognormal"
    mean: Annotated[Number, Field(gt=0)]
    sigma: Annotated[Number, Field(ge=0, le=5)] = 1.0

    @property
    def second_moment(self) -> float:
        return self.mean**2 * math.exp(self.sigma**2)

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        return rng.lognormal(math.log(self.mean) - self.sigma**2 / 2, self.sigma, count)


def _number_is_constant(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {"kind": "constant", "value": value} if number else value


Distribution = Annotated[
    Annotated[Constant | Uniform | Exponential | LogNormal, Field(discriminator="kind")],
    BeforeValidator(_number_is_constant),
]


class Periodic(Description):
    """A message every 1/`rate` seconds; the first comes at `offset` seconds, by default 1/`rate`."""

    kind: Literal["periodic"] = "periodic"
    rate: Rate
    offset: Seconds | None = None

    @property
    def mean_rate(self) -> float:
        return self.rate

    def draw(self, duration: float, rng: np.random.Generator) -> Floats:
        first = 1 / self.rate if self.offset is None else self.offset
        times = first + np.arange(math.ceil(duration * self.rate) + 1) / self.rate
        return times[times <= duration]


class Poisson(Description):
    """Messages at random, `rate` a second, independent of one another."""

    kind: Literal["poisson"] = "poisson"
    rate: Rate

    @property
    def mean_rate(self) -> float:
        return self.rate

    def draw(self, duration: float, rng: np.random.Generator) -> Floats:
        # Given their number, Poisson arrivals are uniform and sorted.
        return np.sort(rng.uniform(0, duration, rng.poisson(self.rate * duration)))


class OnOff(Description):
    """Bursts: Poisson at `rate` for `on` seconds, silence for `off` seconds, and again.

    `on` and `off` are distributions; the run starts with a burst.
    """

    kind: Literal["on_off"] = "on_off"
    rate: Rate
    on: Distribution
    off: Distribution

    @model_validator(mode="after")
    def _moves(self) -> "OnOff":
        if self.on.mean <= 0:
            raise ValueError("need bursts that last: on > 0")
        return self

    def bursts(self, duration: float) -> float:
        """Return how many bursts begin in that time, about."""
        return duration / (self.on.mean + self.off.mean)

    @property
    def mean_rate(self) -> float:
        return self.rate * self.on.mean / (self.on.mean + self.off.mean)

    def draw(self, duration: float, rng: np.random.Generator) -> Floats:
        bursts, start = [], 0.0
        while start < duration:
            length = min(float(self.on.draw(1, rng)[0]), duration - start)
            count = rng.poisson(self.rate * length)
            bursts.append(start + np.sort(rng.uniform(0, length, count)))
            start += length + float(self.off.draw(1, rng)[0])
        return np.concatenate(bursts) if bursts else np.empty(0)


class Replay(Description):
    """The times, in seconds from the start, in a column of a CSV file with a header line."""

    kind: Literal["replay"] = "replay"
    path: str
    column: str = "time"

    @property
    def mean_rate(self) -> float:
        times = self._times()
        span = float(times[-1]) if len(times) else 0.0
        return len(times) / span if span > 0 else 0.0

    def draw(self, duration: float, rng: np.random.Generator) -> Floats:
        times = self._times()
        return times[times <= duration]

    def _times(self) -> Floats:
        path = Path(self.path)
        try:
            if not path.is_file():
                raise InvalidInput(f"{self.path}: not a file that can be read")
            with path.open(newline="", encoding="utf-8-sig") as file:
                rows = csv.DictReader(file)
                if self.column not in (rows.fieldnames or ()):
                    known = ", ".join(rows.fieldnames or ())
                    raise InvalidInput(
                        f"{self.path}: no column '{self.column}'; there are: {known}"
                    )
                times = [self._time(row[self.column], rows.line_num) for row in rows]
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise InvalidInput(f"{self.path}: cannot be read: {error}") from None
        return np.sort(np.array(times, dtype=float))

    def _time(self, text: str, line: int) -> float:
        try:
            time = float(text)
        except (TypeError, ValueError):
            time = math.nan
        if not 0 <= time < math.inf:
            need = "a time in seconds, 0 or more"
            raise InvalidInput(
                f"{self.path}: line {line}: {self.column}: got {text!r}; need {need}"
            )
        return time


Arrivals = Annotated[Periodic | Poisson | OnOff | Replay, Field(discriminator="kind")]


@dataclass(frozen=True)
class Messages:
    """The messages of one run, in order of creation; three arrays of equal length.

    `created` and `work` are in seconds (whole nanoseconds), `size` in bytes; `per_batch` are the
    seconds that each batch costs besides.
    """

    created: Floats
    size: NDArray[np.int32]
    work: Floats
    per_batch: float = 0.0

    def __len__(self) -> int:
        return len(self.created)

    def faster(self, times: float) -> "Messages":
        """Return the same messages created that many times as fast."""
        return replace(self, created=_whole_nanoseconds(self.created / times))


class Workload(Description):
    """What is to be delivered, drawn from `seed`.

    `arrivals` run for `duration` seconds; messages created in the first `warm_up` seconds are
    delivered like the others and left out of the metrics. `size` is in bytes; `work` is the time
    in seconds that one message occupies its consumer, and `per_batch` what each delivery or answer
    costs it besides, however many messages are in it (a commit, a call). Each of `consumers` gets
    every message.
    """

    arrivals: Arrivals
    size: Distribution = Constant(value=100)
    work: Distribution = Constant(value=0)
    per_batch: Seconds = 0.0
    consumers: Annotated[Count, Field(le=1000)] = 1
    duration: PositiveSeconds = 10.0
    warm_up: Seconds = 0.0
    seed: Natural = 1

    @model_validator(mode="after")
    def _fits(self) -> "Workload":
        if self.warm_up >= self.duration:
            raise ValueError(
                f"need a warm_up ({self.warm_up:g} s) shorter than the duration ({self.duration:g} s)"
            )
        if self.size.mean > 10_000_000:
            raise ValueError(f"need messages of at most 10 MB, got {self.size.mean:g} bytes")
        if self.work.mean > LONGEST:
            raise ValueError(f"need work of at most {LONGEST:g} s, got {self.work.mean:g} s")
        if not isinstance(self.arrivals, Replay):
            self._check_count(self.arrivals.mean_rate * self.duration * self.consumers)
        if isinstance(self.arrivals, OnOff) and self.arrivals.bursts(self.duration) > MOST_BURSTS:
            raise ValueError(f"need at most {MOST_BURSTS:,} bursts")
        return self

    def _check_count(self, expected: float) -> None:
        if expected > MOST_MESSAGES:
            raise InvalidInput(
                f"need at most {MOST_MESSAGES:,} deliveries; these are about {expected:.3g} and would"
                f" take about {expected / 100_000 / 3600:.3g} hours and {expected * 120 / 1e9:.3g} GB"
            )

    @property
    def utilisation(self) -> float:
        """The share of time that a consumer works, if it can keep up: rate times mean work.

        What batches cost is not in it, as their number depends on the strategy.
        """
        return self.arrivals.mean_rate * self.work.mean

    def draw(self, replication: int = 0) -> Messages:
        """Return the messages of that replication; the same arguments give the same messages."""
        streams = np.random.SeedSequence(self.seed, spawn_key=(replication,)).spawn(3)
        arrivals, sizes, works = (np.random.default_rng(s) for s in streams)
        created = _whole_nanoseconds(self.arrivals.draw(self.duration, arrivals))
        self._check_count(len(created) * self.consumers)
        size = self.size.draw(len(created), sizes)
        return Messages(
            created=created,
            size=np.clip(np.rint(size), 1, 10_000_000).astype(np.int32),
            work=_whole_nanoseconds(self.work.draw(len(created), works)),
            per_batch=self.per_batch,
        )


def _whole_nanoseconds(seconds: Floats) -> Floats:
    seconds *= NANOSECONDS
    np.rint(seconds, out=seconds)
    seconds /= NANOSECONDS
    return seconds
