"""The ledger: claims put to one or both engines, and the verdicts of both combined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from lab import machine
from lab.claims.base import Bench, Claim, Finding, Findings, Verdict
from lab.claims.bench import opened
from lab.compare import Progress, origin, silent
from lab.engines import ENGINES
from lab.engines.common import MeasurementError
from lab.physics import Calibrated

UNTESTED: Verdict = "not measurable here"
DISAGREE = "engines disagree"


@dataclass(frozen=True)
class Entry:
    """A claim and what each engine found; `figure` is the name of its file, if one was drawn."""

    claim: Claim
    findings: Findings
    figure: str | None = None

    @property
    def verdict(self) -> str:
        """The verdict of the engines that can tell, if they agree."""
        return combined(self.findings)

    def to_json(self) -> dict[str, Any]:
        claim, found = self.claim, self.findings
        by_engine = {e: found[e].to_json() if e in found else None for e in ENGINES}
        told = {"number": claim.number, "claim": claim.text, "verdict": self.verdict}
        about = {"name": claim.name, "chapter": claim.chapter, "experiment": claim.experiment}
        return told | by_engine | about | {"criterion": claim.criterion, "figure": self.figure}


def combined(findings: Findings) -> str:
    """Return the verdict on which the engines agree that can tell, or that they do not.

    It is "not measurable here" if none can.
    """
    verdicts = {f.verdict for f in findings.values() if f.verdict != UNTESTED}
    if len(verdicts) > 1:
        return DISAGREE
    return verdicts.pop() if verdicts else UNTESTED


@dataclass(frozen=True)
class Ledger:
    """The entries in order of number, and what is to be said about the runs behind them.

    `violations` tells which traces broke a promise; a ledger with any cannot be trusted.
    """

    entries: Sequence[Entry]
    notes: Sequence[str] = ()
    violations: Sequence[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"claims": [entry.to_json() for entry in self.entries]}


def ledger(
    claims: Sequence[Claim],
    engines: Sequence[str],
    costs: Calibrated,
    quick: bool = False,
    progress: Progress = silent,
) -> Ledger:
    """Put each of `claims` to each of `engines`, one engine after the other. Simulation charges `costs`.

    A claim whose measurement fails is not measurable here; the reason says what failed.
    """
    found: dict[int, dict[str, Finding]] = {claim.number: {} for claim in claims}
    notes, violations = list(_notes(engines, costs, quick)), []
    now = Now(progress, len(claims) * len(engines))
    for engine in [e for e in ENGINES if e in engines]:
        with opened(engine, costs.physics, quick, now.told) as bench:
            for claim in claims:
                now.begin(f"claim {claim.number}")
                found[claim.number][engine] = tested(claim, bench)
            violations += bench.violations
            notes += [f"failed and done again: {failure}" for failure in bench.failures]
            if bench.disturbed:
                notes.append(
                    f"{bench.disturbed} of {bench.runs} measured runs were disturbed by other work"
                )
    entries = [Entry(claim, found[claim.number]) for claim in claims]
    return Ledger(entries, notes, violations)


def _notes(engines: Sequence[str], costs: Calibrated, quick: bool) -> Iterator[str]:
    """Say where the costs come from and where it was measured."""
    if "simulation" in engines:
        yield origin(costs.manifest)
    if "loopback" in engines:
        yield f"measured on: {machine.name()}, {date.today():%Y-%m-%d}"
    if quick:
        yield "quick: short runs, three of each"


class Now:
    """Tells how far a ledger is: which claim is being tested, and by what."""

    def __init__(self, progress: Progress, steps: int) -> None:
        self.progress = progress
        self.steps = steps
        self.done = -1
        self.what = ""

    def begin(self, what: str) -> None:
        self.done += 1
        self.what = what

    def told(self, run: str) -> None:
        self.progress(f"{self.what}: {run}", self.done, self.steps)


def tested(claim: Claim, bench: Bench) -> Finding:
    """Return what a bench says of a claim."""
    try:
        return claim.test(bench)
    except MeasurementError as error:
        return Finding(UNTESTED, f"a measured run failed: {error}")
