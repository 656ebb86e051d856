"""Claim 7: a pushed message, once missed, is hard to get back."""

from collections.abc import Mapping
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, leading, series
from lab.claims.judging import clears, weigh
from lab.claims.readings import trace_amount
from lab.faults import ConsumerCrash, Fault, LinkDown
from lab.metrics import Run
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.scenario import Scenario
from lab.strategies import (
    LongPoll,
    ServerSentEvents,
    Strategy,
    Webhook,
    WebSocketPush,
)
from lab.trace import Fate, Trace
from lab.workload import Poisson, Workload

MOST = 0.5  # share of what was missed: who loses more gets little back
AWAY = 0.3  # seconds
CUT, LATE = LinkDown(at=0.2, duration=AWAY), ConsumerCrash(at=0, duration=AWAY)
FORGETFUL: tuple[Strategy, ...] = (WebSocketPush(), ServerSentEvents(replay=False))
WITH_LOG: tuple[Strategy, ...] = (WebSocketPush(replay=True), ServerSentEvents())
PUSHES = (*FORGETFUL, *WITH_LOG, Webhook())
PULLS: tuple[Strategy, ...] = (LongPoll(),)
LATECOMERS = (FORGETFUL[0], WITH_LOG[0])

cut = Scenario(
    workload=Workload(arrivals=Poisson(rate=200), duration=0.7, seed=107),
    strategies=[*PUSHES, *PULLS],
    faults=[CUT],
)
late = cut.model_copy(update={"strategies": list(LATECOMERS), "faults": [LATE]})
CASES: dict[str, Fault] = {"was cut off": CUT, "came late": LATE}


def missed(fault: Fault, trace: Trace) -> float:
    """Return the share of the messages created while their consumer was away that it never had."""
    away = (trace.created >= fault.at) & (trace.created < fault.until)
    gone = trace.fate != Fate.DELIVERED
    return float(np.mean(gone[away])) if away.any() else float("nan")


def test(bench: Bench) -> Finding:
    return judge({"was cut off": bench.run(cut), "came late": bench.run(late)})


def judge(runs: Mapping[str, Mapping[str, Run]]) -> Finding:
    """See how many of the messages that came while the consumer was away it never got."""
    shares = {
        (case, way): trace_amount(run, partial(missed, CASES[case]))
        for case, some in runs.items()
        for way, run in some.items()
    }
    pushes = {push.label for push in PUSHES}
    hard = {key: clears(share, MOST) for key, share in shares.items() if key[1] in pushes}
    gone = list(dict.fromkeys(way for (_, way), held in hard.items() if held is True))
    back = list(dict.fromkeys(way for (_, way), held in hard.items() if held is False))
    pulls = {way for (_, way) in shares if way not in pushes}
    losing = sorted({w for (_, w), s in shares.items() if w in pulls and clears(s, MOST)})
    reason = f"what came meanwhile is gone with {_names(gone)}; it comes back with {_names(back)}"
    if losing:
        reason += f"; of the pulls, it is gone with {_names(losing)}"
    name = "never had, the consumer {}: {}".format
    amounts = [Amount(name(*key), share) for key, share in shares.items()]
    amounts = leading(amounts, *(name("was cut off", way.label) for way in LATECOMERS))
    drawn = [Series(way, [(0, share)], case) for (case, way), share in shares.items()]
    return Finding(weigh(hard.values()), reason, amounts, drawn)


def _names(ways: list[str]) -> str:
    return " and ".join(ways) or "none"


def draw(findings: Findings) -> Figure:
    panels = [
        Panel(f"The consumer {case}", "never had (%)", name=case, scale=100, logarithmic=False)
        for case in CASES
    ]
    return bars(series(findings), panels, "Of what came while a consumer was away, what is lost?")


CLAIM = Claim(
    number=7,
    name="missed",
    text="A pushed message, once missed, is hard to get back.",
    chapter="Push, disadvantages: replayability",
    experiment=(
        f"200 messages a second; the consumer's connection is down for {AWAY:g} s, or the consumer comes {AWAY:g} s"
        " late. Pushes without a log, with a log, and with retries; beside them a long poll. What counts is the share of the messages created while the consumer was away that"
        " it never had."
    ),
    criterion=(
        f"Supported if with every push more than {MOST * 100:g} % of them are never had (the whole interval),"
        " refuted if fewer with every push; otherwise it depends on what the pushing side keeps."
    ),
    test=test,
    draw=draw,
)
