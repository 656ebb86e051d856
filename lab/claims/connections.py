"""Claim 4: HTTP builds a distinct connection for each request."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import clears, weigh
from lab.claims.readings import amount, delivery_cpu, latency, ratio, trace_amount
from lab.claims.speed import KEPT, NEW, RATE, calm
from lab.metrics import Run
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.trace import Trace

MOST = 0.5  # connections for each request: the claim is about most requests
MEDIAN = latency("p50")


def per_request(trace: Trace) -> float:
    """Return how many connections were accepted for each request."""
    return trace.counters.events["connections"] / trace.counters.requests


def test(bench: Bench) -> Finding:
    return judge(bench.run(calm), counted=bench.engine == "loopback")


def judge(runs: Mapping[str, Run], counted: bool) -> Finding:
    """Compare requests on kept and on new connections, which are `counted` if they were really made."""
    kept, new = runs[KEPT.label], runs[NEW.label]
    price = [
        Amount("median latency, new connections over kept", ratio(new, kept, MEDIAN)),
        Amount("CPU per message, new connections over kept", ratio(new, kept, delivery_cpu)),
    ]
    if not counted:
        why = "a model is told which requests share a connection; it can only give the price"
        return Finding("not measurable here", why, price, _series([kept, new], []))
    made = {run.strategy: trace_amount(run, per_request) for run in (kept, new)}
    amounts = [Amount(f"connections per request, {way}", found) for way, found in made.items()]
    usual = made[KEPT.label]
    reason = (
        f"as HTTP/1.1 is used by default, {1 / usual.mean:.0f} requests share a connection;"
        f" {made[NEW.label].mean:.2g} is made for each only if it is closed after every answer"
    )
    verdict = weigh([clears(usual, MOST)])
    return Finding(verdict, reason, [*amounts, *price], _series([kept, new], [kept, new]))


def _series(runs: list[Run], made: list[Run]) -> list[Series]:
    return [
        *(Series(r.strategy, [(0, trace_amount(r, per_request))], "made") for r in made),
        *(Series(r.strategy, [(0, amount(r, MEDIAN))], "latency") for r in runs),
        *(Series(r.strategy, [(0, amount(r, delivery_cpu))], "CPU") for r in runs),
    ]


def draw(findings: Findings) -> Figure:
    panels = [
        Panel("Connections made", "per request", name="made", logarithmic=False),
        Panel("Latency", "median (ms)", name="latency", scale=1e3, logarithmic=False),
        Panel("CPU", "broker and consumer (µs per message)", "", "CPU", 1e6, logarithmic=False),
    ]
    return bars(series(findings), panels, "Does each request build a connection?")


CLAIM = Claim(
    number=4,
    name="connections",
    text="HTTP builds a distinct connection for each request.",
    chapter="Push, implementations: HTTP POST/PUT; pull, implementations: HTTP GET",
    experiment=(
        f"{RATE:g} messages a second, each a POST: as HTTP/1.1 is used by default, and with every connection"
        " closed after its answer. The server counts the connections that it accepts; latency and CPU time"
        " of both are compared."
    ),
    criterion=(
        f"Supported if by default there are more than {MOST:g} connections for each request (the whole"
        " interval), refuted if there are fewer."
    ),
    test=test,
    draw=draw,
)
