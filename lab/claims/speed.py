"""Claim 3: WebSocket is faster than HTTP."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, leading, series
from lab.claims.judging import clears, geometric, weigh
from lab.claims.readings import amount, ratio, trace_amount, trace_ratios
from lab.metrics import Metrics, Run
from lab.plots.bars import bars
from lab.plots.series import Panel, Series
from lab.scenario import Scenario
from lab.strategies import ServerSentEvents, Strategy, Webhook, WebSocketPush
from lab.trace import Trace
from lab.workload import Periodic, Poisson, Workload

LIMIT = 1.1  # less than a tenth slower is not called slower
RATE = 100.0  # messages a second where transit is measured
BURST = 1000  # messages, all within 10 ms, where throughput is
SOCKET = WebSocketPush()
KEPT, NEW = Webhook(), Webhook(keep_alive=False)
TRANSIT, RATE_OF = "transit, {} over WebSocketPush", "throughput, WebSocketPush over {}"
HTTP: tuple[Strategy, ...] = (ServerSentEvents(), KEPT, NEW, Webhook(batch_size=100))

calm = Scenario(
    workload=Workload(arrivals=Poisson(rate=RATE), duration=0.8, seed=103),
    strategies=[SOCKET, *HTTP],
    quick_duration=0.4,
)
burst = Scenario(
    workload=Workload(arrivals=Periodic(rate=100 * BURST), duration=0.01, seed=103),
    strategies=[SOCKET, *HTTP],
)


def transit(trace: Trace) -> float:
    """Return the median time from when a message left the broker until its consumer had it."""
    return float(np.nanmedian((trace.received - trace.left_broker)[trace.counted]))


def throughput(metrics: Metrics) -> float:
    return metrics.throughput["achieved"]


def test(bench: Bench) -> Finding:
    return judge(bench.run(calm), bench.run(burst))


def judge(slow: Mapping[str, Run], fast: Mapping[str, Run]) -> Finding:
    """Compare transit and throughput of every way over HTTP with those of a WebSocket."""
    ways = [way.label for way in HTTP]
    longer = {w: geometric(trace_ratios(slow[w], slow[SOCKET.label], transit)) for w in ways}
    less = {w: ratio(fast[SOCKET.label], fast[w], throughput) for w in ways}
    slower = {way: clears(factor, LIMIT) for way, factor in longer.items()}
    fewer = {way: clears(factor, LIMIT) for way, factor in less.items()}
    amounts = [
        *(Amount(TRANSIT.format(way), f) for way, f in longer.items()),
        *(Amount(RATE_OF.format(way), f) for way, f in less.items()),
        *(Amount(f"median transit, {w}", trace_amount(r, transit), "s") for w, r in slow.items()),
        *(Amount(f"throughput, {w}", amount(r, throughput), "/s") for w, r in fast.items()),
    ]
    reason = f"in transit {_told(slower)}; in throughput {_told(fewer)}"
    verdict = weigh([*slower.values(), *fewer.values()])
    first = (TRANSIT.format(KEPT.label), TRANSIT.format(HTTP[0].label), RATE_OF.format(KEPT.label))
    return Finding(verdict, reason, leading(amounts, *first), _series(slow, fast))


def _told(held: Mapping[str, bool | None]) -> str:
    """Say which ways over HTTP are slower than a WebSocket, which are not, and which may be."""
    words = {True: "slower", False: "not slower", None: "not measurably different"}
    named = {word: [k for k, v in held.items() if v is value] for value, word in words.items()}
    verbs = {word: "is" if len(some) == 1 else "are" for word, some in named.items()}
    return ", ".join(f"{' and '.join(s)} {verbs[w]} {w}" for w, s in named.items() if s)


def _series(slow: Mapping[str, Run], fast: Mapping[str, Run]) -> list[Series]:
    found = [Series(w, [(0, trace_amount(r, transit))], "transit") for w, r in slow.items()]
    return found + [Series(w, [(0, amount(r, throughput))], "throughput") for w, r in fast.items()]


def draw(findings: Findings) -> Figure:
    fast, flat = "throughput (thousand messages per second)", False
    panels = [
        Panel("Less is better", "median transit (ms)", "", "transit", 1e3, logarithmic=flat),
        Panel("More is better", fast, "", "throughput", 1e-3, logarithmic=flat),
    ]
    return bars(series(findings), panels, "Is a WebSocket faster than HTTP?")


CLAIM = Claim(
    number=3,
    name="speed",
    text="WebSocket is faster than HTTP.",
    chapter="Push, implementations: HTTP POST/PUT",
    experiment=(
        f"{RATE:g} messages a second, and {BURST:,} messages within 10 ms, by WebSocket and by four ways over"
        " HTTP: one endless response (server-sent events), a POST for each message on a connection that is"
        " kept, one on a new connection, and a POST for up to 100 messages. At the low rate the median time"
        " from broker to consumer counts, in the burst the throughput."
    ),
    criterion=(
        f"Supported if every way over HTTP takes more than {LIMIT:g} times as long and WebSocket has more than"
        f" {LIMIT:g} times the throughput of each (the whole intervals); refuted if none and of none; it"
        " depends on the way of using HTTP otherwise."
    ),
    test=test,
    draw=draw,
)
