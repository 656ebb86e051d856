"""Questions of lesson 13, design for a brief: the answers are what the student made and ran."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lab.course.bands import near
from lab.course.briefs import BRIEFS, Brief, Kind
from lab.course.quiz import Task
from lab.metrics import Run
from lab.scenario import Scenario

CLOSE = 0.03
FIXED = ("workload", "faults", "question")
NO_DESIGN = "there is no run of it yet: first write the scenario, then run it."


def _scenario(answer: Any, brief: Brief) -> str:
    if not isinstance(answer, Scenario):
        return "need a Scenario: brief.scenario(design, rival)."
    if len(answer.strategies) < 2:
        return "need the design and at least one rival."
    asked = brief.scenario(*answer.strategies)
    changed = [name for name in FIXED if getattr(answer, name) != getattr(asked, name)]
    if changed:
        return f"the brief fixes {' and '.join(changed)}: leave it as it is."
    broken = [brief.terms(strategy) for strategy in answer.strategies]
    return next((text for text in broken if text), "")


def _meets(*kinds: Kind, engine: str) -> Callable[..., str]:
    """Return a judge: the run is of that engine and of the brief, and meets its criteria."""

    def judge(answer: Any, brief: Brief) -> str:
        if not isinstance(answer, Run) or not answer.traces:
            return NO_DESIGN
        wrong = _not_of(answer, brief, engine)
        missed = [str(v) for v in brief.judge(answer) if v.criterion.kind in kinds and not v.met]
        return wrong or "\n  ".join(missed)

    return judge


def _not_of(run: Run, brief: Brief, engine: str) -> str:
    """Say what shows that a run is not one of the brief by that engine."""
    if run.engine != engine:
        return f"need a run of the {engine} engine, got {run.engine}."
    for trace in run.traces:
        plain = trace.manifest["scenario"]
        ran = Scenario.read(plain, "the run")
        asked = brief.scenario(*ran.strategies)
        if any(getattr(ran, name) != getattr(asked, name) for name in FIXED):
            return "that run is not of this brief."
        wrong = brief.terms(ran.strategies[trace.manifest["strategy_index"]])
        if wrong:
            return wrong
    return ""


def _missed_by_rival(answer: Any, brief: Brief, runs: Sequence[Run]) -> str:
    if len(runs) < 2:
        return NO_DESIGN
    verdicts = {verdict.criterion.name: verdict for verdict in brief.judge(runs[-1])}
    if all(verdict.met for verdict in verdicts.values()):
        return (
            "the last rival meets everything. Add one that does not: a design is chosen *against*."
        )
    if answer not in verdicts:
        return f"got {answer!r}; need one of: {'; '.join(verdicts)}."
    return "the rival meets that one." if verdicts[answer].met else ""


def _price(answer: Any, brief: Brief, runs: Sequence[Run]) -> str:
    if len(runs) < 2:
        return NO_DESIGN
    costs = [
        max(v.worst for v in brief.judge(run) if v.criterion.kind == "cost")
        for run in (runs[0], runs[-1])
    ]
    return _told_rightly(answer, costs[1] / costs[0])


def p90(run: Run) -> float:
    """Return p90 of the latency of a run, in seconds, replications pooled."""
    return float(np.nanquantile(np.concatenate([t.latency[t.counted] for t in run.traces]), 0.9))


def _missed(answer: Any, predicted: Any, measured: Sequence[Run]) -> str:
    if not isinstance(predicted, int | float) or predicted <= 0:
        return (
            "there is no prediction (in seconds) above: too late to make one now without looking."
        )
    if not measured:
        return NO_DESIGN
    found = p90(measured[0])
    return _told_rightly(answer, max(predicted / found, found / predicted))


def _told_rightly(answer: Any, value: float) -> str:
    """Say what is wrong with a number that should be `value`."""
    if isinstance(answer, bool) or not isinstance(answer, int | float):
        return f"got {answer!r}; need a number."
    band = near(value, CLOSE)
    return "" if band.low <= answer <= band.high else f"got {answer:.3g}; your runs say otherwise."


QUESTIONS = (
    Task(
        "13.1",
        f"Write the scenario: your design first, then at least one rival. Briefs: {', '.join(BRIEFS)}.",
        _scenario,
        "It faces the brief's own messages and faults.",
        ("scenario = brief.scenario(lab.Strategy(knob=value), lab.Rival())",),
    ),
    Task(
        "13.2",
        "Does the design keep what the brief says of losses and repetitions? Hand in its simulated run.",
        _meets("loss", engine="simulation"),
        "It keeps them in every simulated run.",
        (
            "Lost: which knob makes the sender, or the consumer, ask again? docs/guarantees.md helps.",
            "Twice: who could recognise a repetition, the target, or a consumer that keeps the cursor?",
        ),
    ),
    Task(
        "13.3",
        "Does it keep the limits of latency?",
        _meets("latency", engine="simulation"),
        "It keeps them in every simulated run.",
        (
            "Where do messages wait? Look at plots.anatomy and at the time-out.",
            "Old messages: what waits in a buffer, a window of credits or a socket grows old there.",
        ),
    ),
    Task(
        "13.4",
        "Does it keep the limit of cost?",
        _meets("cost", engine="simulation"),
        "It keeps it in every simulated run.",
        (
            "Per message, what is sent besides the message? Batches share it.",
            "Requests that are refused or come back empty cost as much as others.",
        ),
    ),
    Task(
        "13.5",
        "Which criterion does your last rival not meet? Answer with its name.",
        _missed_by_rival,
        "That is the argument against it.",
        ("Read the lines that begin with NOT MET.",),
    ),
    Task(
        "13.6",
        "What does the last rival cost, by the brief's criterion of cost, as a multiple of your design?",
        _price,
        "Below 1 the rival is cheaper.",
        ("Divide the rival's figure by the design's, both from the simulated runs.",),
    ),
    Task(
        "13.7",
        "Does the design keep all limits on real connections? Hand in its measured run.",
        _meets("loss", "latency", "cost", engine="loopback"),
        "It does, on your machine.",
        (
            "What is different from the simulated run? Compare their figures one by one.",
            "A limit that is kept by a hair in simulation is not kept on a busy machine: leave room.",
        ),
    ),
    Task(
        "13.8",
        "By what factor did the measured p90 differ from your prediction? (The larger of the two"
        " divided by the smaller.)",
        _missed,
        "A factor below 1.5 is good; a larger one is a question to your picture of the design.",
        ("max(predicted / measured, measured / predicted)",),
    ),
)
