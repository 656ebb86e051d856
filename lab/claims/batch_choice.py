"""Claim 10: a pushing source cannot choose the batches that suit its consumer; a pulling consumer can."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, Verdict, series
from lab.claims.judging import above, below, crossing, geometric, known
from lab.claims.readings import mean_latency, trace_amount, trace_ratios
from lab.metrics import Interval, Run
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.scenario import Scenario
from lab.strategies import LongPoll, Strategy, Webhook, WebSocketPush
from lab.workload import Poisson, Uniform, Workload

RATE = 200.0  # messages a second
COSTS = (0.0001, 0.004, 0.016)  # seconds that a batch costs its consumer, beside its messages
QUICK_COSTS = (0.0001, 0.016)
SUITS = 2.0  # times the mean latency of the best setting: more does not suit the consumer
PULLS: tuple[Strategy, ...] = (LongPoll(),)  # an answer holds what is there
BLIND: tuple[Strategy, ...] = (
    WebSocketPush(),
    WebSocketPush(batch_size=3, linger=0.015),
    WebSocketPush(batch_size=20, linger=0.1),
)
TOLD: tuple[Strategy, ...] = (Webhook(batch_size=100),)  # the next batch waits for a 2xx
Swept = Mapping[float, Mapping[str, Run]]  # by what a batch costs, and by label


def scenario(cost: float) -> Scenario:
    workload = Workload(
        arrivals=Poisson(rate=RATE),
        work=Uniform(low=0.0003, high=0.0007),
        per_batch=cost,
        duration=0.5,
        seed=10,
    )
    return Scenario(
        name="claim_10",
        question="Whose batches suit the consumer?",
        workload=workload,
        strategies=[*PULLS, *BLIND, *TOLD],
        quick_duration=0.25,
    )


def test(bench: Bench) -> Finding:
    costs = QUICK_COSTS if bench.quick else COSTS
    return judge({cost: bench.run(scenario(cost)) for cost in costs})


def judge(swept: Swept) -> Finding:
    """Return the verdict on runs of `scenario`, by the cost of a batch and by label."""
    regrets = {
        s.label: {cost: _over_best(runs, s.label) for cost, runs in swept.items()}
        for s in (*PULLS, *BLIND, *TOLD)
    }
    worst = {label: _worst(regret) for label, regret in regrets.items()}
    single = crossing(regrets[BLIND[0].label], SUITS) if len(swept) > 2 else Interval()
    amounts = [
        *(Amount(f"{label}, over the best at worst", worst[label], "times") for label in worst),
        Amount(f"cost of a batch at which single messages take {SUITS:g} times", single, "s"),
    ]
    amounts.sort(key=lambda amount: not any(s.label in amount.name for s in (*PULLS, *TOLD)))
    finding = Finding("not measurable here", "", amounts, _series(swept))
    pulls, blind, told = (_suit(worst, some) for some in (PULLS, BLIND, TOLD))
    if pulls is None or blind is None or told is None:
        return replace(
            finding, reason="intervals reach over the limit: more replications would tell"
        )
    if blind or not pulls:
        reason = "one setting at the source suits every consumer" if blind else "pull does not suit"
        return replace(
            finding, verdict="refuted", reason=f"{reason} within {SUITS:g} times the best"
        )
    verdict: Verdict = "depends" if told else "supported"
    return replace(finding, verdict=verdict, reason=_reason(worst, single, bool(told)))


def _over_best(runs: Mapping[str, Run], label: str) -> list[float]:
    """Return the mean latency over that of the best setting for this consumer, by replication."""
    best = min(runs.values(), key=lambda run: trace_amount(run, mean_latency).mean)
    return trace_ratios(runs[label], best, mean_latency)


def _worst(regret: Mapping[float, Sequence[float]]) -> Interval:
    """Return the factor for the consumer whom the setting suits least."""
    return max((geometric(values) for values in regret.values()), key=lambda i: i.mean)


def _suit(worst: Mapping[str, Interval], some: Sequence[Strategy]) -> bool | None:
    """Say whether one of the settings suits all consumers; None if intervals do not tell."""
    found = [worst[strategy.label] for strategy in some]
    if any(below(value, SUITS) for value in found):
        return True
    return False if all(above(value, SUITS) for value in found) else None


def _reason(worst: Mapping[str, Interval], single: Interval, told: bool) -> str:
    pull, hook = worst[PULLS[0].label].mean, worst[TOLD[0].label].mean
    best = min(worst[strategy.label].mean for strategy in BLIND)
    where = (
        f" (single messages from {single.mean * 1e3:.1f} ms a batch on)" if known(single) else ""
    )
    text = (
        f"a pull that takes what is there is within {pull:.1f} times the best for every consumer; the"
        f" best fixed batch of a source that hears nothing is {best:.0f} times off for one of"
        f" them{where}"
    )
    if told:
        return (
            f"{text}; a source that waits for the ack of each batch does as well: {hook:.1f} times"
        )
    return f"{text}, and acknowledgements do not help: {hook:.1f} times"


def _series(swept: Swept) -> list[Series]:
    return [
        Series(
            s.label,
            [(cost * 1e3, trace_amount(r[s.label], mean_latency)) for cost, r in swept.items()],
        )
        for s in (*PULLS, *BLIND, *TOLD)
    ]


def draw(findings: Findings) -> Figure:
    """Draw the mean latency over what a batch costs the consumer."""
    cost = "cost of a batch for the consumer, beside its messages (ms)"
    title = f"Whose batches suit the consumer, at {RATE:g} messages a second?"
    return sweep(series(findings), [Panel("", "mean latency (ms)", cost, scale=1e3)], title)


CLAIM = Claim(
    number=10,
    name="batch_choice",
    text=(
        "A pushing source cannot choose the batch size that suits its consumer; a pulling consumer"
        " can."
    ),
    chapter="Push, disadvantages: passive consumer; pull, advantages: flexible consumer",
    experiment=(
        f"{RATE:g} messages a second (Poisson) for consumers to whom a batch costs {COSTS[0] * 1e3:g}"
        f" to {COSTS[-1] * 1e3:g} ms beside its messages: a long poll that takes what is there,"
        " WebSockets that push batches of 1, 3 or 20 and hear nothing, and a webhook that sends what"
        " has come when the last batch is acknowledged; the mean latency, over that of the best of"
        " these for the same consumer."
    ),
    criterion=(
        f"A setting suits if it is within {SUITS:g} times the best for every consumer. Supported if the"
        " pull suits and no push does; it depends if only a push with acknowledgements does; refuted"
        " if a push suits that hears nothing, or the pull does not."
    ),
    test=test,
    draw=draw,
)
