"""Claim 2: pull costs more bandwidth and more requests than push."""

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import clears, geometric, weigh
from lab.claims.rates import (
    HOOK,
    INTERVAL,
    PULLS,
    PUSHES,
    RATES,
    SHORT,
    SOCKET,
    Runs,
    crossings,
    factors,
    lines,
    swept,
)
from lab.claims.readings import amount, requests, traffic
from lab.plots import sweep
from lab.plots.series import Panel

LIMIT = 1.1  # less than a tenth more is not called more


METRICS = {"requests": (requests, ""), "bytes": (traffic, "B")}


def test(bench: Bench) -> Finding:
    return judge(swept(bench))


def judge(runs: Runs) -> Finding:
    """Compare requests and bytes per message of every pull with those of every push at each rate."""
    cases = {
        (rate, pull.label, push.label, what): geometric(some)
        for pull in PULLS
        for push in PUSHES
        for what, (metric, _) in METRICS.items()
        for rate, some in factors(runs, pull, push, metric).items()
    }
    dearer = {case: clears(factor, LIMIT) for case, factor in cases.items()}
    where = [
        crossings(runs, SHORT, HOOK, requests, "needs fewer requests than"),
        crossings(runs, SHORT, HOOK, traffic, "needs fewer bytes than"),
        crossings(runs, SHORT, SOCKET, traffic, "needs fewer bytes than"),
    ]
    cheaper = sum(held is False for held in dearer.values())
    reason = (
        f"a pull costs more in {sum(held is True for held in dearer.values())} of {len(dearer)} cases"
        f" and no more in {cheaper}: {'; '.join(crossed.text for crossed in where)}"
    )
    amounts = [
        *(crossed.amount for crossed in where),
        *(
            Amount(f"{what} per message at {rate:g}/s, {way}", amount(run, metric), unit)
            for what, (metric, unit) in METRICS.items()
            for rate, some in runs.items()
            for way, run in some.items()
        ),
    ]
    ways = [*PUSHES, *PULLS]
    drawn = [line for w, (metric, _) in METRICS.items() for line in lines(runs, ways, metric, w)]
    return Finding(weigh(dearer.values()), reason, amounts, drawn)


def draw(findings: Findings) -> Figure:
    panels = [
        Panel("Requests", "requests (per message)", "messages per second", "requests"),
        Panel("Bandwidth", "bytes on the wire (per message)", "messages per second", "bytes"),
    ]
    return sweep(series(findings), panels, "Does pull cost more than push?")


CLAIM = Claim(
    number=2,
    name="costs",
    text="Pull costs more bandwidth and more requests than push.",
    chapter="Pull, disadvantages: less real-time",
    experiment=(
        f"Messages of 100 bytes at {', '.join(f'{rate:g}' for rate in RATES)} a second (Poisson), by WebSocket,"
        f" by webhook, by long poll and by a poll every {INTERVAL * 1e3:g} ms; requests and bytes per message"
        " between broker and consumer, heads and framing included."
    ),
    criterion=(
        f"Supported if every pull needs more than {LIMIT:g} times the requests and the bytes of every push at"
        " every rate (the whole intervals), refuted if in none of these cases; otherwise it depends on the"
        " rate, and the rate is told from which on a poll costs less."
    ),
    test=test,
    draw=draw,
)
