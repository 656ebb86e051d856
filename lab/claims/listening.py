"""Claim 17: with push the source does not listen, and only the consumer has to authenticate others."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from lab.claims import sockets
from lab.claims.base import Amount, Bench, Claim, Finding, Findings
from lab.claims.judging import exactly, weigh
from lab.engines import common
from lab.plots import style
from lab.scenario import Scenario
from lab.show import ENGINES
from lab.strategies import (
    ConsumerGroup,
    HttpIngest,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Strategy,
    Stream,
    Webhook,
    WebSocketPush,
)
from lab.strategies.base import Call, Exchange
from lab.workload import Poisson, Workload

PUSHES: tuple[Strategy, ...] = (WebSocketPush(), ServerSentEvents(), Webhook(), HttpIngest())
PULLS: tuple[Strategy, ...] = (ShortPoll(), PollThenPull(), LongPoll(), ConsumerGroup())
QUICK: tuple[Strategy, ...] = (WebSocketPush(), Webhook(), HttpIngest(), LongPoll())
SIDES = ("source", "broker", "target")
OFTEN = 0.03  # seconds between two looks at the processes
Pair = tuple[str, str]  # who connects, and who listens
PAIRS: tuple[Pair, ...] = tuple(permutations(SIDES, 2))
LOOKS = {"simulation": style.BLUE, "loopback": style.VERMILLION}


@dataclass(frozen=True)
class Seen:
    """Of one strategy: the ports on which each side listens, and connections by who made them."""

    ports: Mapping[str, int]
    made: Mapping[Pair, int]


def scenario(strategy: Strategy) -> Scenario:
    workload = Workload(arrivals=Poisson(rate=50), duration=0.4, seed=17)
    return Scenario(name="claim_17", workload=workload, strategies=[strategy])


def declared(strategy: Strategy) -> Seen:
    """Return what the wires of a strategy say, with one consumer."""
    place, wire = common.layout(scenario(strategy), strategy), strategy.wire
    target, made = place.targets[0], dict[Pair, int]()
    ports = {target: 0, place.broker: 0, place.source: 0}
    if not isinstance(place.ingest, Call):
        made[place.source, place.broker] = 1
        ports[place.broker] += 1
    if isinstance(wire, Exchange) and wire.server == "consumer":
        made[place.broker, target] = 1
        ports[target] += 1
    elif not isinstance(wire, Call):
        made[target, place.broker] = 1
        shared = isinstance(wire, Stream) and wire.duplex  # the WebSockets of both kinds
        ports[place.broker] += not shared
    return Seen(ports, made)


def observed(strategies: tuple[Strategy, ...]) -> dict[str, Seen]:
    """Measure each strategy, look at its processes meanwhile, and return what was seen by label."""
    from lab.engines.loopback import Session  # needs sockets, which simulation does not

    found = {}
    with Session() as session:
        for strategy in strategies:
            asked = scenario(strategy)
            names = common.layout(asked, strategy).sides
            session.start(names)
            pids = {name: session.sides[name].process.pid for name in names}
            with _watching(pids) as seen:
                session.measure(asked, strategy)
            ports = {name: len(sides.listening) for name, sides in seen.items()}
            found[strategy.label] = Seen(ports, sockets.connections(seen))
    return found


@contextmanager
def _watching(pids: Mapping[str, int]) -> Iterator[dict[str, sockets.Sockets]]:
    """Collect the sockets of processes, from a thread that looks again and again."""
    seen, over = {name: sockets.Sockets() for name in pids}, threading.Event()

    def look() -> None:
        while not over.wait(OFTEN):
            for name, pid in pids.items():
                seen[name].add(sockets.of_process(pid))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


def test(bench: Bench) -> Finding:
    some = QUICK if bench.quick else (*PUSHES, *PULLS)
    told = {strategy.label: declared(strategy) for strategy in some}
    if bench.engine == "simulation":
        reason = f"simulation has no ports; by the declared wires {_said(told)}"
        return replace(judge(told), verdict="not measurable here", reason=reason)
    if not sockets.can_tell():
        return Finding("not measurable here", "this system does not tell the sockets of a process")
    found = observed(some)
    finding = judge(found)
    same = sum(found[label] == seen for label, seen in told.items())
    return replace(
        finding, reason=f"{finding.reason}; {same} of {len(told)} as their wires declare"
    )


def judge(found: Mapping[str, Seen]) -> Finding:
    """Return the verdict on what was seen of each strategy, by label."""
    hidden = [not _sender_accepts(found[label]) for label in _among(found, PUSHES)]
    return Finding(weigh(hidden), _said(found), list(_amounts(found)))


def _among(found: Mapping[str, Seen], some: tuple[Strategy, ...]) -> list[str]:
    """Return the labels of those strategies that were looked at."""
    return [strategy.label for strategy in some if strategy.label in found]


def _sender_accepts(seen: Seen) -> bool:
    """Say whether the side that sends to the target lets the target connect to it."""
    return any(asker == "target" for asker, _ in seen.made)


def _said(found: Mapping[str, Seen]) -> str:
    """Say which pushes spare their sender from listening."""
    pushes, pulls = _among(found, PUSHES), _among(found, PULLS)
    hidden = [label for label in pushes if not _sender_accepts(found[label])]
    dialled = [label for label in pushes if _sender_accepts(found[label])]
    pulled = sum(_sender_accepts(found[label]) for label in pulls)
    texts = []
    if hidden:
        texts.append(
            f"{' and '.join(hidden)} connect to the target, which listens and must authenticate"
        )
    if dialled:
        texts.append(
            f"with {' and '.join(dialled)} the target connects to the sender, which listens"
        )
    return f"{'; '.join(texts)}, as with {pulled} of {len(pulls)} pulls"


def _amounts(found: Mapping[str, Seen]) -> Iterator[Amount]:
    """Yield how many senders listen, and then everything that was seen of each strategy."""
    for kind, some in (("pushes", _among(found, PUSHES)), ("pulls", _among(found, PULLS))):
        many = sum(_sender_accepts(found[label]) for label in some)
        name = f"{kind} of {len(some)} whose sender accepts the target's connection"
        yield Amount(name, exactly(many))
    many = sum(seen.ports.get("source", 0) > 0 for seen in found.values())
    yield Amount("strategies whose producer listens", exactly(many))
    for label, seen in found.items():
        for side in (side for side in SIDES if seen.ports.get(side)):
            yield Amount(_ports(label, side), exactly(seen.ports[side]))
            peers = sockets.parties(seen.made, side)
            yield Amount(f"{label}: parties that the {side} must authenticate", exactly(peers))
        for pair, number in sorted(seen.made.items()):
            yield Amount(_opened(label, *pair), exactly(number))


def _ports(label: str, side: str) -> str:
    return f"{label}: ports on which the {side} listens"


def _opened(label: str, asker: str, listener: str) -> str:
    return f"{label}: connections from {asker} to {listener}"


def draw(findings: Findings) -> Figure:
    """Draw who connects to whom, by strategy: what a firewall has to let through."""
    known = {amount.name for finding in findings.values() for amount in finding.amounts}
    looked = [s for s in (*PUSHES, *PULLS) if any(n.startswith(f"{s.label}: ") for n in known)]
    labels = [strategy.label for strategy in looked]
    figure = style.slide(12, 2.2 + 0.75 * len(labels))
    axes = figure.add_subplot()
    for row, label in enumerate(labels):
        for engine, finding in findings.items():
            _row(axes, row, label, engine, {a.name: a.value.mean for a in finding.amounts})
    names = [f"{'push' if s in PUSHES else 'pull'}: {s.label}" for s in looked]
    style.dress(axes)
    axes.grid(False)
    axes.set_xlim(-0.3, 2.3)
    axes.set_ylim(len(labels) - 0.4, -0.7)
    axes.set_yticks(range(len(labels)), names)
    axes.set_xticks(range(len(SIDES)), SIDES, fontsize=style.LABEL)
    axes.xaxis.tick_top()
    axes.spines[["left", "bottom"]].set_visible(False)
    axes.tick_params(length=0)
    style.headline(figure, "Who connects to whom? A firewall must let this through.")
    style.legend(figure, _legend(findings), "outside lower center", columns=2)
    return figure


def _row(axes: Axes, row: int, label: str, engine: str, known: Mapping[str, float]) -> None:
    """Draw the sides of one strategy, filled where they listen, and an arrow for who connects."""
    measured = engine == "loopback"
    at, colour = row + (0.16 if measured else -0.16), LOOKS[engine]
    opened = [pair for pair in PAIRS if known.get(_opened(label, *pair))]
    there = {side for pair in opened for side in pair}
    for x, side in enumerate(side if side in there else "" for side in SIDES):
        if not side:
            continue
        listens = known.get(_ports(label, side), 0) > 0
        face = colour if listens else "white"
        axes.plot(x, at, "s", markersize=12, color=colour, markerfacecolor=face)
    for asker, listener in opened:
        start, end = SIDES.index(asker), SIDES.index(listener)
        gap = 0.08 if end > start else -0.08
        line = "--" if measured else "-"
        arrow: dict[str, Any] = {
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": 2,
            "linestyle": line,
        }
        axes.annotate("", (end - gap, at), (start + gap, at), arrowprops=arrow)


def _legend(findings: Findings) -> list[Line2D]:
    said = {"simulation": "declared by the wires", "loopback": f"{ENGINES['loopback']} (/proc)"}
    handles = [
        Line2D([], [], color=LOOKS[e], linestyle=style.LINES[e], linewidth=2, label=said[e])
        for e in findings
    ]
    for face, text in ((style.GREY, "listens"), ("white", "does not listen")):
        square: dict[str, Any] = {
            "marker": "s",
            "linestyle": "",
            "markersize": 12,
            "markerfacecolor": face,
        }
        handles.append(Line2D([], [], color=style.GREY, label=text, **square))
    return handles


CLAIM = Claim(
    number=17,
    name="listening",
    text=(
        "With push the source is safer: it does not listen, and only the consumer has to authenticate"
        " others."
    ),
    chapter="Push, advantages: security; pull, disadvantages: operational complexity",
    experiment=(
        "Each strategy delivers for a moment with source, broker and target in processes of their own;"
        " meanwhile the system is asked (/proc) which of them listens and who connected to whom. The"
        " sender is the broker, or the source where there is none. Simulation has no ports: there, what"
        " the strategy declares of its wires is told."
    ),
    criterion=(
        "Supported if with no push the target connects to the sender; refuted if it does with every"
        " push; it depends on the kind of push if it does with some."
    ),
    test=test,
    draw=draw,
)
