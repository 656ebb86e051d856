"""What became of the messages of each run, in plain words: how many, and lost to which fault."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lab.faults import Fault
from lab.metrics import Run
from lab.outcomes.guarantees import DELAYS
from lab.scenario import Scenario, pace, recorded
from lab.trace import PLACES, STAMPS, Fate, Trace

WORDS = {
    Fate.DELIVERED: "delivered",
    Fate.LOST: "lost",
    Fate.DROPPED: "dropped",
    Fate.EXPIRED: "expired",
    Fate.SKIPPED: "skipped",
    Fate.DEAD_LETTERED: "given up",
    Fate.NEVER_ACCEPTED: "never accepted",
    Fate.INDETERMINATE: "not known",
    Fate.IN_FLIGHT: "in flight",
}
NO_FAULT = "no fault"


class Account(NamedTuple):
    """What became of the messages of one strategy on one engine, over all replications.

    `fates` has the words of `WORDS`, zeros included; messages of the warm-up are left out. `done_again`
    counts work beyond the first, `lost_to` the lost by fault. `peaks` is the most that ever waited in
    each place, as far as it was sampled.
    """

    strategy: str
    engine: str
    messages: int
    fates: dict[str, int]
    done_again: int
    lost_to: dict[str, int]
    peaks: dict[str, int]

    def to_json(self) -> dict[str, Any]:
        return self._asdict()


class Summary(NamedTuple):
    """What became of all rows of one trace, the warm-up included; zeros are left out.

    `lost_to` counts the lost by fault, `dropped_by` the dropped by policy.
    """

    fates: dict[str, int]
    done_again: int
    lost_to: dict[str, int]
    dropped_by: dict[str, int]

    def __str__(self) -> str:
        why = {"lost": self.lost_to, "dropped": self.dropped_by}
        said = [f"{word} {n:,}{_because(why.get(word, {}))}" for word, n in self.fates.items()]
        return ", ".join([*said, *([f"done again {self.done_again:,}"] if self.done_again else [])])


def _because(counts: dict[str, int]) -> str:
    told = "; ".join(f"{cause}: {n:,}" for cause, n in counts.items())
    return f" ({told})" if told else ""


def summary(trace: Trace) -> Summary:
    """Return what became of the rows of a trace, as far as its manifest tells why."""
    known = recorded(trace.manifest)
    counts = {word: int((trace.fate == fate).sum()) for fate, word in WORDS.items()}
    again = np.maximum(trace.completions.astype(np.int64) - 1, 0).sum()
    to, by = Counter[str](), {}
    if known:
        scenario, strategy = known
        times = pace(scenario, trace.manifest)
        to.update(lost_to(trace, [f.faster(times) for f in scenario.faults], warm_up=True))
        policy = getattr(strategy, "overflow", None)
        by = {policy: counts["dropped"]} if policy and counts["dropped"] else {}
    return Summary({word: n for word, n in counts.items() if n}, int(again), dict(to), by)


def accounts(scenario: Scenario, runs: Sequence[Run]) -> Iterator[Account]:
    """Yield an account of each run of a scenario in which something goes wrong, or is sampled."""
    if scenario.faults or scenario.poison or scenario.sample:
        yield from (_account(scenario, run) for run in runs if run.traces)


def _account(scenario: Scenario, run: Run) -> Account:
    fates, to, peak = Counter[str](), Counter[str](), Counter[str]()
    messages = again = 0
    for trace in run.traces:
        counted = trace.counted
        messages += int(counted.sum())
        again += int(np.maximum(trace.completions[counted].astype(np.int64) - 1, 0).sum())
        fates.update({word: int((trace.fate[counted] == f).sum()) for f, word in WORDS.items()})
        times = pace(scenario, trace.manifest)
        to.update(lost_to(trace, [fault.faster(times) for fault in scenario.faults]))
        peak |= peaks(trace)
    return Account(run.strategy, run.engine, messages, dict(fates), again, dict(to), dict(peak))


def lost_to(trace: Trace, faults: Sequence[Fault], warm_up: bool = False) -> Counter[str]:
    """Count the lost messages by fault, as far as stamps tell; those of the warm-up only if asked.

    A message is lost to the first fault that concerns its consumer and is felt at or after its last
    stamp, or, if there is none, to the one that was felt last. A fault is felt until something gets
    through again: after a reset, that is when the connection was made anew. What only delays is to
    blame if nothing breaks.
    """
    stamps = np.array([getattr(trace, name) for name in STAMPS])
    last = np.where(np.isnan(stamps), -np.inf, stamps).max(axis=0)
    lost = (trace.counted | warm_up) & (trace.fate == Fate.LOST)
    found = Counter[str]()
    for consumer in np.unique(trace.consumer[lost]):
        mine = trace.consumer == consumer
        near = [fault for fault in faults if _concerns(fault, int(consumer))]
        breaks = [fault for fault in near if not isinstance(fault, DELAYS)]
        known = [
            (_felt_until(trace, fault, mine), fault.at, str(fault)) for fault in breaks or near
        ]
        found.update(_culprit(sorted(known), float(at)) for at in last[lost & mine])
    return found


def _felt_until(trace: Trace, fault: Fault, mine: NDArray[np.bool_]) -> float:
    """Return when a fault is over and something gets through again; infinite if never."""
    ingest = getattr(fault, "link", "") == "ingest"
    through = trace.at_broker[mine] if ingest else trace.received[mine]
    return float(through[through >= fault.until].min(initial=math.inf))


def _culprit(known: Sequence[tuple[float, float, str]], last: float) -> str:
    """Return the name of the fault to blame, of those `known` by when they are felt no more."""
    later = (name for felt, _, name in known if felt >= last)
    return next(later, known[-1][2] if known else NO_FAULT)


def _concerns(fault: Fault, consumer: int) -> bool:
    """Say whether a fault can harm that consumer: one of the ingest link harms all of them."""
    everyone = getattr(fault, "link", "") == "ingest"
    return everyone or getattr(fault, "consumer", consumer) == consumer


def peaks(trace: Trace) -> Counter[str]:
    """Return how many messages waited at most in each place, at the times of sampling."""
    return Counter({n: int(trace.places[n].max(initial=0)) for n in PLACES if n in trace.places})
