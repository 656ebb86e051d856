"""What a claim is, and how it is judged: the words in which the experiments of this folder talk.

A claim is written once and put to each engine in turn. Its criterion is fixed in words before
anything is run; its verdict is computed from what was run, and from nothing else.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol

from matplotlib.figure import Figure

from lab.metrics import Interval, Run, plain
from lab.physics import Physics
from lab.plots.series import Series
from lab.scenario import Scenario

Verdict = Literal["supported", "refuted", "depends", "not measurable here"]
FIRST = 3  # amounts in a short ledger


class Amount(NamedTuple):
    """A figure that decides: what it is, its mean with a 95 % interval, and its unit ("s", "B", "")."""

    name: str
    value: Interval
    unit: str = ""

    def to_json(self) -> dict[str, Any]:
        return plain(
            {"name": self.name, "unit": self.unit, "mean": self.value.mean}
            | {"low": self.value.low, "high": self.value.high}
        )


@dataclass(frozen=True)
class Finding:
    """What one engine says of a claim.

    `reason` is one sentence without a full stop; where the verdict is "depends" it names the condition
    and the crossover, where it is "not measurable here" why. `amounts` begin with those that decide: a
    short ledger shows the first `FIRST`. A figure is drawn from `series` or `runs`.
    """

    verdict: Verdict
    reason: str
    amounts: Sequence[Amount] = ()
    series: Sequence[Series] = ()
    runs: Sequence[Run] = ()

    def to_json(self) -> dict[str, Any]:
        amounts = [amount.to_json() for amount in self.amounts]
        return {"verdict": self.verdict, "reason": self.reason, "amounts": amounts}


def leading(amounts: Sequence[Amount], *names: str) -> list[Amount]:
    """Return the amounts with those of these names first. Raises `KeyError` if one is not there."""
    known = {amount.name: amount for amount in amounts}
    return [*(known.pop(name) for name in names), *known.values()]


class Bench(Protocol):
    """An engine on which claims run their scenarios.

    It makes the scenarios short itself if it is `quick`; a claim may leave out points of a sweep then.
    """

    @property
    def engine(self) -> str: ...

    @property
    def quick(self) -> bool: ...

    @property
    def costs(self) -> Physics | None:
        """What the simulation charges; None where real connections are measured."""
        ...

    def run(self, scenario: Scenario) -> dict[str, Run]:
        """Return the runs of all strategies, by label, each with all replications and checked.

        A scenario that was run before is not run again.
        """
        ...


Findings = Mapping[str, Finding]  # by engine


def series(findings: Findings) -> dict[str, Sequence[Series]]:
    """Return the series of all findings by engine, as `lab.plots` draws them."""
    return {engine: finding.series for engine, finding in findings.items()}


@dataclass(frozen=True)
class Claim:
    """A claim about push and pull, in our words, and the experiment that tests it.

    `chapter` says where the source chapter makes it; `experiment` what is run and which metric counts;
    `criterion` when it is supported, refuted, or depends. `name` is that of its figure's file.
    """

    number: int
    name: str
    text: str
    chapter: str
    experiment: str
    criterion: str
    test: Callable[[Bench], Finding]
    draw: Callable[[Findings], Figure]
