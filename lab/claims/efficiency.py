"""Claim 6: push is more efficient for a source that constantly produces."""

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.costs import LIMIT
from lab.claims.judging import clears, geometric, weigh
from lab.claims.rates import (
    BUSY,
    HOOK,
    INTERVAL,
    LONG,
    PULLS,
    PUSHES,
    SHORT,
    SOCKET,
    Runs,
    crossings,
    factors,
    lines,
    scenario,
    swept,
)
from lab.claims.readings import amount, delivery_cpu, ratio, requests, traffic
from lab.metrics import Run
from lab.plots import sweep
from lab.plots.series import Panel, Series
from lab.strategies import WebSocketPush

BATCHED = WebSocketPush(batch_size=1000, linger=INTERVAL)
METRICS = {"CPU": delivery_cpu, "bytes": traffic, "requests": requests}


def test(bench: Bench) -> Finding:
    alone = scenario(BUSY).model_copy(update={"strategies": [BATCHED]})
    return judge(swept(bench), bench.run(alone)[BATCHED.label])


def judge(runs: Runs, batched: Run) -> Finding:
    """Compare what every pull and every push cost at the highest rate, and where the order changes.

    `batched` is a push that collects messages for as long as the polls wait, at the highest rate.
    """
    cases = {
        (what, pull.label, push.label): geometric(factors(runs, pull, push, metric)[BUSY])
        for what, metric in METRICS.items()
        for pull in PULLS
        for push in PUSHES
    }
    dearer = {case: clears(factor, LIMIT) for case, factor in cases.items()}
    where = [
        crossings(runs, SHORT, SOCKET, delivery_cpu, "needs less CPU time than"),
        crossings(runs, SHORT, HOOK, delivery_cpu, "needs less CPU time than"),
    ]
    poll = runs[BUSY][SHORT.label]
    same = ratio(batched, poll, delivery_cpu)
    reason = (
        f"at {BUSY:g}/s a pull costs more in {sum(h is True for h in dearer.values())} of {len(dearer)}"
        f" cases; {'; '.join(crossed.text for crossed in where)}; a push that collects messages for"
        f" {INTERVAL * 1e3:g} ms, as the poll does, needs {same.mean:.2g} times the poll's CPU time"
    )
    amounts = [
        *(crossed.amount for crossed in where),
        Amount(f"CPU at {BUSY:g}/s, push in batches over {SHORT.label}", same),
        *(Amount(f"{w} at {BUSY:g}/s, {a} over {b}", f) for (w, a, b), f in cases.items()),
        *(
            Amount(f"CPU per message at {rate:g}/s, {way}", amount(run, delivery_cpu), "s")
            for rate, some in runs.items()
            for way, run in some.items()
        ),
        Amount(
            f"CPU per message at {BUSY:g}/s, {BATCHED.label}", amount(batched, delivery_cpu), "s"
        ),
    ]
    drawn = lines(runs, [SOCKET, HOOK, LONG, SHORT], delivery_cpu, "")
    drawn.append(Series(BATCHED.label, [(BUSY, amount(batched, delivery_cpu))]))
    return Finding(weigh(dearer.values()), reason, amounts, drawn)


def draw(findings: Findings) -> Figure:
    panel = Panel("", "CPU, broker and consumer (µs per message)", "messages per second", "", 1e6)
    return sweep(
        series(findings), [panel], "What does a message cost the CPU, by push and by pull?"
    )


CLAIM = Claim(
    number=6,
    name="efficiency",
    text="Push is more efficient for a source that constantly produces.",
    chapter="Push, advantages: real time",
    experiment=(
        f"The experiment of claim 2, in which {BUSY:g} messages a second is a constant stream, and a push that"
        f" collects messages for {INTERVAL * 1e3:g} ms; CPU time of broker and consumer, bytes and requests"
        " per message."
    ),
    criterion=(
        f"Supported if at {BUSY:g}/s every pull needs more than {LIMIT:g} times the CPU time, bytes and requests"
        " of every push (the whole intervals), refuted if in none of these cases; otherwise it depends, and"
        " the rate is told from which on a poll needs less CPU time."
    ),
    test=test,
    draw=draw,
)
