"""Claim 18: data that is pushed is immutable, and so fit for audits."""

import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import exactly
from lab.claims.witness import SEEN, Witnessed, published, received
from lab.metrics import Interval, Run
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.scenario import Retention, Scenario
from lab.strategies import ShortPoll
from lab.trace import Fate, Trace
from lab.workload import Poisson, Uniform, Workload

QUICK = SEEN[::3]  # a stream, HTTP ingest, a pull
CONSUMERS = 2  # so that each record is read twice
KEPT = 20  # records that the log keeps
LATE = ShortPoll(interval=0.2, max_records=KEPT)
WHY = "what a receiver or an archive does with its copy is up to it, whichever way the data came"


@dataclass(frozen=True)
class Compared:
    """Of one strategy: records received, how many differ from what was published, or were not noted."""

    name: str
    records: int
    altered: int
    missing: int


def workload(rate: float, consumers: int) -> Workload:
    size = Uniform(low=40, high=4_000)
    return Workload(
        arrivals=Poisson(rate=rate), size=size, duration=0.4, consumers=consumers, seed=18
    )


def compared(
    name: str, digests: Sequence[str], noted: Iterable[tuple[int, str]], consumers: int
) -> Compared:
    """Compare what a witness noted with the digests of what was published."""
    found = list(noted)
    altered = sum(digest != digests[message] for message, digest in found)
    times = Counter(message for message, _ in found)
    missing = sum(max(0, consumers - times[message]) for message in range(len(digests)))
    return Compared(name, len(found), altered, missing)


def delivered(kinds: Sequence[type[Witnessed]]) -> Iterator[Compared]:
    """Have these strategies deliver over real connections, and compare what came."""
    from lab.engines.loopback import Session  # needs sockets, which simulation does not

    offered = workload(rate=100, consumers=CONSUMERS)
    digests = published(offered.draw().size.tolist())
    with Session() as session, tempfile.TemporaryDirectory(prefix="pushpull-") as folder:
        for kind in kinds:
            path = Path(folder) / kind.__name__
            strategy = kind(path=str(path))
            scenario = Scenario(name="claim_18", workload=offered, strategies=[strategy])
            session.measure(scenario, strategy)
            name = kind.__name__.removeprefix("Seen")
            yield compared(name, digests, received(path), CONSUMERS)


def test(bench: Bench) -> Finding:
    kept = Scenario(
        name="claim_18",
        workload=workload(rate=300, consumers=1),
        strategies=[LATE],
        retention=Retention(count=KEPT),
    )
    gone = bench.run(kept)[LATE.label]
    if bench.engine == "simulation":
        return judge([], gone)
    return judge(list(delivered(QUICK if bench.quick else SEEN)), gone)


def judge(found: Sequence[Compared], gone: Run) -> Finding:
    """Return the verdict on what was compared (nothing in simulation), and a run with retention."""
    share = Interval.over(100 * expired(trace) for trace in gone.traces)
    finding = Finding(
        "not measurable here", "", list(_amounts(found, share)), list(_series(found, share))
    )
    forgets = f"a log that keeps {KEPT} records deleted {share.mean:.0f} % of them unread"
    if not found:
        reason = f"simulation carries numbers and sizes, no bytes to compare; {forgets}, and {WHY}"
        return replace(finding, reason=reason)
    altered, missing = sum(c.altered for c in found), sum(c.missing for c in found)
    if altered or missing:
        reason = f"{altered} records arrived altered, and {missing} were not seen to arrive"
        return replace(finding, verdict="refuted", reason=reason)
    same = f"{sum(c.records for c in found):,} records read by {CONSUMERS} consumers were, byte for"
    reason = f"{same} byte, what was published, by push and by pull alike; but {forgets}, and {WHY}"
    return replace(finding, reason=reason)


def expired(trace: Trace) -> float:
    """Return the share of messages that retention took before they were read."""
    return float(np.mean(trace.fate == Fate.EXPIRED))


def _amounts(found: Sequence[Compared], share: Interval) -> Iterator[Amount]:
    if found:
        altered = sum(compared.altered for compared in found)
        yield Amount("records received altered", exactly(altered), "records")
        read = sum(compared.records for compared in found)
        yield Amount("records compared with what was published", exactly(read), "records")
    yield Amount(f"deleted unread, if {KEPT} are kept", share, "% of records")
    for compared in found:
        yield Amount(f"{compared.name}: altered", exactly(compared.altered), "records")
        yield Amount(f"{compared.name}: compared", exactly(compared.records), "records")


def _series(found: Sequence[Compared], share: Interval) -> Iterator[Series]:
    for compared in found:
        for panel in ("records", "altered"):
            point = (0.0, exactly(getattr(compared, panel)))
            yield Series(compared.name, [point], panel)
    yield Series(f"a log of {KEPT} records, read late", [(0.0, share)], "gone")


def draw(findings: Findings) -> Figure:
    """Draw how many records were compared, how many of them were altered, and how many deleted."""
    panels = [
        Panel("", "records compared", name="records", logarithmic=False),
        Panel("", "records altered on the way", name="altered", logarithmic=False),
        Panel("", "deleted unread (% of records)", name="gone", logarithmic=False),
    ]
    return bars(series(findings), panels, "Is what arrives what was published?")


CLAIM = Claim(
    number=18,
    name="immutable",
    text="Data that is pushed is immutable, which suits audits.",
    chapter="Push, advantages: immutable data",
    experiment=(
        f"Each strategy delivers records of 40 to 4,000 bytes to {CONSUMERS} consumers, which take the"
        " SHA-256 of every record as it comes; it is compared with that of what was published. Then a"
        f" log keeps {KEPT} records and a consumer polls late: how many are deleted unread?"
    ),
    criterion=(
        "Refuted if a record arrives altered. Otherwise not measurable here: whether a receiver or an"
        " archive leaves its copy as it is, delivery cannot show; what was checked is told."
    ),
    test=test,
    draw=draw,
)
