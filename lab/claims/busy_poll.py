"""Claim 14: a poll whose time-out is zero returns at once, and asking so burns a CPU."""

from collections.abc import Mapping
from dataclasses import replace

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import above, below, crossing, geometric, known
from lab.claims.readings import (
    OfTrace,
    cores,
    median_latency,
    readings,
    requests_per_second,
    trace_amount,
    trace_ratios,
)
from lab.metrics import Run
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.scenario import Scenario
from lab.strategies import LongPoll, ShortPoll
from lab.trace import Trace
from lab.workload import Poisson, Workload

RATE = 50.0  # messages a second: most polls find nothing
NO_PAUSE = 1e-6  # seconds: the knob wants more than 0, and this is less than any poll takes
PAUSES = (NO_PAUSE, 0.001, 0.01, 0.05)
QUICK_PAUSES = (NO_PAUSE, 0.01)
AT_ONCE = 0.01  # seconds from a poll to the next: none waited for a message
BUSY = 0.5  # cores
IDLE = 0.1  # cores: what a pause must bring it down to
CORES, LATENCY = "cores", "latency"  # the panels of the figure


def scenario(pauses: tuple[float, ...]) -> Scenario:
    return Scenario(
        name="claim_14",
        question="What does a poll cost that does not wait?",
        workload=Workload(arrivals=Poisson(rate=RATE), duration=0.5, seed=14),
        strategies=[LongPoll(), *(ShortPoll(interval=pause) for pause in pauses)],
        quick_duration=0.25,
    )


def cycle(trace: Trace) -> float:
    """Return the mean time from a request to the next, in seconds."""
    return trace.counters.elapsed / trace.counters.requests


def test(bench: Bench) -> Finding:
    pauses = QUICK_PAUSES if bench.quick else PAUSES
    return judge(bench.run(scenario(pauses)), pauses)


def judge(runs: Mapping[str, Run], pauses: tuple[float, ...]) -> Finding:
    """Return the verdict on the runs of `scenario`, by label."""
    held, *polled = (runs[strategy.label] for strategy in scenario(pauses).strategies)
    busy, by_pause = polled[0], dict(zip(pauses, polled, strict=True))
    asked, used = trace_amount(busy, cycle), trace_amount(busy, cores)
    enough = crossing({pause: readings(run, cores) for pause, run in by_pause.items()}, IDLE)
    amounts = [
        Amount("zero time-out: time from a poll to the next", asked, "s"),
        Amount("zero time-out: cores kept busy", used, "cores"),
        Amount("long poll: cores kept busy", trace_amount(held, cores), "cores"),
        Amount(f"pause between polls at which {IDLE:g} cores are busy", enough, "s"),
        Amount("zero time-out: requests", trace_amount(busy, requests_per_second), "per second"),
        Amount("long poll: requests", trace_amount(held, requests_per_second), "per second"),
        Amount(
            "median latency, zero time-out over long poll",
            geometric(trace_ratios(busy, held, median_latency)),
            "times",
        ),
    ]
    finding = Finding("not measurable here", "", amounts, _series(held, by_pause))
    told = f"{used.mean:.2f} cores are busy for {RATE:g} messages/s"
    asks = f"a poll follows the last after {asked.mean * 1e3:.2g} ms"
    if below(asked, AT_ONCE) and above(used, BUSY):
        pause = f"; a pause of {enough.mean * 1e3:.0f} ms between polls ends that"
        reason = f"{asks}, and {told}{pause if known(enough) else ''}"
        return replace(finding, verdict="supported", reason=reason)
    if above(asked, AT_ONCE) or below(used, BUSY):
        return replace(finding, verdict="refuted", reason=f"{asks}, and only {told}")
    return replace(finding, reason="intervals reach over the limits: more replications would tell")


def _series(held: Run, polled: Mapping[float, Run]) -> list[Series]:
    """Return cores and median latency over the pause; those of the long poll are level."""
    panels: dict[str, OfTrace] = {CORES: cores, LATENCY: median_latency}
    return [
        drawn
        for panel, reading in panels.items()
        for drawn in (
            Series(
                "ShortPoll", [(p * 1e3, trace_amount(r, reading)) for p, r in polled.items()], panel
            ),
            Series(
                "LongPoll (no pause)",
                [(p * 1e3, trace_amount(held, reading)) for p in polled],
                panel,
            ),
        )
    ]


def draw(findings: Findings) -> Figure:
    """Draw cores kept busy and the median latency over the pause between two polls."""
    pause = "pause between polls (ms)"
    busy = Panel(
        "", "cores kept busy", pause, CORES, level=BUSY, says="burns a CPU", logarithmic=False
    )
    latency = Panel("", "median latency (ms)", pause, LATENCY, scale=1e3)
    title = "How long a pause between polls spares the CPU, and what does it cost?"
    return sweep(series(findings), [busy, latency], title)


CLAIM = Claim(
    number=14,
    name="busy_poll",
    text="A poll with a time-out of zero returns at once; asking so in a loop burns a CPU.",
    chapter="Pull, Apache Kafka, the example of a consumer: the time-out of poll()",
    experiment=(
        f"Poisson messages, {RATE:g}/s; a long poll, and polls that are answered at once, repeated"
        f" after {NO_PAUSE * 1e6:g} µs (no pause) to {PAUSES[-1] * 1e3:g} ms; the time from a poll"
        " to the next, and the CPU time of all sides together."
    ),
    criterion=(
        f"Supported if, without a pause, a poll follows the last within {AT_ONCE * 1e3:g} ms and more"
        f" than {BUSY:g} cores are busy; refuted if one of the two is not so."
    ),
    test=test,
    draw=draw,
)
