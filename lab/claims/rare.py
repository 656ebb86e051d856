"""Claim 5: HTTP is the better choice for a rare update."""

from collections.abc import Mapping

from matplotlib.figure import Figure

from lab.claims.base import Amount, Bench, Claim, Finding, Findings, series
from lab.claims.judging import clears, weigh
from lab.claims.readings import Metric, amount, delivery_cpu, latency, ratio, traffic
from lab.idle import IdleCost, idle_cost
from lab.metrics import Interval, Run, summarise
from lab.plots.series import Panel, Series
from lab.plots.sweep import sweep
from lab.scenario import Scenario
from lab.show import number
from lab.strategies import Webhook, WebSocketPush
from lab.workload import Constant, Periodic, Workload

RARE = 1800.0  # seconds between updates: the chapter's "every 30 minutes or so"
KEEPALIVE = 20.0  # seconds between the pings of a WebSocket library, by default
PING = 0.1  # seconds between pings where their cost is measured
SOCKET, REQUEST = WebSocketPush(), Webhook(keep_alive=False)
SHOWN = (1.0, 10.0, 100.0, 1000.0, RARE)  # seconds between updates, in the figure
COSTS: dict[str, tuple[Metric, str]] = {"CPU": (delivery_cpu, "s"), "bytes": (traffic, "B")}

updates = Scenario(
    workload=Workload(arrivals=Periodic(rate=10), size=Constant(value=60), duration=1.0, seed=105),
    strategies=[SOCKET, REQUEST],
    quick_duration=0.6,
)


def test(bench: Bench) -> Finding:
    seconds, replications = (0.6, 3) if bench.quick else (1.0, 5)
    idle = idle_cost(
        SOCKET,
        seconds,
        engine=bench.engine,
        replications=replications,
        costs=bench.costs,
        ping_interval=PING,
        memory_with=50,
    )
    return judge(bench.run(updates), idle)


def judge(runs: Mapping[str, Run], idle: IdleCost) -> Finding:
    """Find how far apart updates must be for an open WebSocket to cost more than a connection for each.

    `idle` is what a WebSocket costs that is pinged every `PING` seconds.
    """
    ping = {"CPU": times(idle.cpu, PING), "bytes": times(idle.bytes, PING)}
    even = {
        what: break_even(runs[REQUEST.label], runs[SOCKET.label], metric, ping[what])
        for what, (metric, _) in COSTS.items()
    }
    rare = [_not(clears(interval, RARE)) for interval in even.values()]
    told = "; ".join(
        f"in {what} from an update every {number(i.mean, 2)} s ({number(i.low, 2)} to {number(i.high, 2)}) on"
        for what, i in even.items()
    )
    slower = ratio(runs[REQUEST.label], runs[SOCKET.label], latency("p50"))
    reason = (
        f"with a ping every {KEEPALIVE:g} s an open WebSocket costs more than a connection for each update"
        f" {told}; an update then takes {number(slower.mean, 2)} times as long"
    )
    amounts = [
        *(
            Amount(f"seconds between updates from which HTTP is cheaper, {w}", i)
            for w, i in even.items()
        ),
        Amount("memory that an open WebSocket holds", idle.memory, "B"),
        *(Amount(f"{what} of a ping and its pong", ping[what], COSTS[what][1]) for what in ping),
        *(
            Amount(f"{what} of an update, {way}", amount(run, metric), unit)
            for what, (metric, unit) in COSTS.items()
            for way, run in runs.items()
        ),
        Amount("median latency, a connection for each update over WebSocket", slower),
    ]
    return Finding(weigh(rare), reason, amounts, _series(runs, ping))


def break_even(request: Run, socket: Run, metric: Metric, ping: Interval) -> Interval:
    """Return the seconds between updates at which pings cost as much as a request costs more than a frame.

    What requests cost more, and what pings cost, come from different runs: the bounds are the worst of
    both.
    """
    pairs = zip(request.traces, socket.traces, strict=True)
    more = Interval.over(metric(summarise(a)) - metric(summarise(b)) for a, b in pairs)
    bounds = ((more.mean, ping.mean), (more.low, ping.high), (more.high, ping.low))
    return Interval(*(KEEPALIVE * a / b if a > 0 and b > 0 else float("nan") for a, b in bounds))


def times(interval: Interval, factor: float) -> Interval:
    """Return an interval of `factor` times as much."""
    return Interval(interval.mean * factor, interval.low * factor, interval.high * factor)


def _not(held: bool | None) -> bool | None:
    return None if held is None else not held


def _series(runs: Mapping[str, Run], ping: Mapping[str, Interval]) -> list[Series]:
    """Return what an update costs by how far apart they are: a WebSocket's pings are added to it."""
    drawn = []
    for what, (metric, _) in COSTS.items():
        request, frame = (amount(runs[way.label], metric) for way in (REQUEST, SOCKET))
        kept = [
            (apart, Interval(frame.mean + ping[what].mean * apart / KEEPALIVE)) for apart in SHOWN
        ]
        drawn.append(Series("open WebSocket", kept, what))
        drawn.append(Series("connection for each update", [(x, request) for x in SHOWN], what))
    return drawn


def draw(findings: Findings) -> Figure:
    apart = "seconds between updates"
    panels = [
        Panel("CPU", "broker and consumer (ms per update)", apart, "CPU", 1e3),
        Panel("Traffic", "bytes per update", apart, "bytes"),
    ]
    title = f"What does a rare update cost, with a ping every {KEEPALIVE:g} s?"
    return sweep(series(findings), panels, title)


CLAIM = Claim(
    number=5,
    name="rare",
    text="For a rare update HTTP is a better choice than a WebSocket.",
    chapter="Push, implementations: HTTP POST/PUT",
    experiment=(
        "Ten updates a second of 60 bytes, each by a POST on a connection of its own, and as frames of a"
        f" WebSocket; and a WebSocket that is idle but for a ping every {PING:g} s. From these follows what an"
        f" update costs if updates are further apart and the WebSocket is pinged every {KEEPALIVE:g} s, as"
        " libraries do by default."
    ),
    criterion=(
        "The break-even is how far apart updates must be for the pings between two of them to cost as much as a"
        f" request costs more than a frame. Supported if it is below {RARE:g} s, the chapter's half hour, for CPU"
        " time and for bytes (the whole intervals), refuted if it is above for both; it depends otherwise."
    ),
    test=test,
    draw=draw,
)
