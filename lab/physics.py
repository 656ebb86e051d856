"""The physics of the model: what this machine's event loops, connections and timers cost.

All times are seconds. `reference()` is a calibration made by this package on one machine;
`IDEAL` costs nothing at all, which is what the closed forms of queueing theory assume.
"""

import json
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field, model_validator

from lab.description import (
    Count,
    Description,
    InvalidInput,
    Natural,
    Number,
    PositiveSeconds,
    Seconds,
)

SCHEMA = 12
SLEEPS = (0.3e-3, 1e-3, 3e-3, 6e-3, 12e-3, 25e-3, 100e-3)  # seconds, unless a file says others
Share = Annotated[Number, Field(ge=0, le=1)]


class Cost(Description):
    """CPU seconds for one protocol message: `fixed` + `record` for each record + `byte` a byte.

    `once` is paid once for all messages that are written to, or read from, a connection in one turn
    of the loop; `after` is paid when the message is on its way already, on a stream not by the
    source, and as in a warm loop. A cold loop adds `cold` times as much as it adds to other work: much code
    that runs seldom is colder than little.
    """

    fixed: Seconds = 0.0
    record: Seconds = 0.0
    byte: Seconds = 0.0
    once: Seconds = 0.0
    after: Seconds = 0.0
    cold: Annotated[Number, Field(ge=0)] = 1.0


class LoopCosts(Description):
    """What an asyncio event loop costs by itself.

    `wake_up` passes between an event and the first code that runs in a loop that slept. Then `rouse`
    is the CPU time until the loop turns. `iteration` is the CPU time of one turn besides what is
    handled in it; `sleep` that of going to sleep, during which what becomes ready is still seen.
    `begin` is that of a consumer's turning to a message, `begin_next` to the next of a batch, `finish`
    what follows when it is done. `timer` is how late the kernel says that a timer is due; it is later
    by a share `slack` of the sleep before it, in which Linux may wait for others, to serve them at once.

    After a long sleep waking up takes 1 + `drowsy` times as long, and work 1 + `cold` times. `cooled`
    says which share of this cold is back after a sleep as long as each of `sleeps` (between two of them
    in proportion to the logarithm; none after a quarter of the first), in a loop that usually sleeps
    long; one that usually sleeps `habit` cools half as deep, and the larger `steep` is, the less does one
    that sleeps shorter. But a share `soon` is back, in any loop, as soon as it sleeps. What runs again
    before the loop sleeps is warm, but a share `residue` of the cold outlives the time awake. A share
    `shared` of the cold is the core's, which another loop on it keeps awake: as deep as the core usually
    sleeps. Code that did not run when the loop was awake last has not been warmed then. And other work on
    the core displaces code that was warm, whether the loop sleeps or not: up to a share `displaced` of
    the cold. To have another loop preempt it is, for a loop, like a sleep. Messages of a protocol,
    HTTP or that of streams, share code: the first in a loop that woke up warms a share `common` for those
    of another kind, and for those alike of another consumer in the process.
    """

    wake_up: Seconds = 0.0
    rouse: Seconds = 0.0
    iteration: Seconds = 0.0
    timer: Seconds = 0.0
    slack: Share = 0.0
    begin: Seconds = 0.0
    begin_next: Seconds = 0.0
    finish: Seconds = 0.0
    cold: Annotated[Number, Field(ge=0)] = 0.0
    drowsy: Annotated[Number, Field(ge=0)] = 0.0
    sleeps: Annotated[tuple[PositiveSeconds, ...], Field(min_length=1)] = SLEEPS
    cooled: tuple[Share, ...] = (1.0,) * len(SLEEPS)
    habit: Seconds = 0.0
    steep: Annotated[Number, Field(ge=0)] = 1.5
    soon: Share = 0.0
    residue: Share = 0.0
    shared: Share = 0.0
    displaced: Share = 0.0
    common: Share = 0.0
    sleep: Seconds = 0.0

    @model_validator(mode="after")
    def _curve(self) -> "LoopCosts":
        if len(self.sleeps) != len(self.cooled):
            raise ValueError(f"need {len(self.sleeps)} shares in cooled, one for each of sleeps")
        if any(a >= b for a, b in pairwise(self.sleeps)):
            raise ValueError("need sleeps that become longer")
        return self


class StreamCosts(Description):
    """A frame of a stream: to write it, to read and parse it.

    `step` is what it costs a broker to decide what to send.
    """

    send: Cost = Cost()
    receive: Cost = Cost()
    step: Seconds = 0.0


class ExchangeCosts(Description):
    """An HTTP request: sent by the client, served, replied to, and the reply handled.

    `resume` is what it costs the server to take up a held request again, `step` what it costs a
    broker to decide what to send.
    """

    request: Cost = Cost()
    serve: Cost = Cost()
    reply: Cost = Cost()
    response: Cost = Cost()
    resume: Seconds = 0.0
    step: Seconds = 0.0


class ConnectionCosts(Description):
    """What a new connection adds to a request, on either side, and to have it closed, on each.

    One that is kept alive is opened by the first request. A cold loop adds `cold` times as much to this
    as to other work.
    """

    client: Seconds = 0.0
    server: Seconds = 0.0
    close: Seconds = 0.0
    cold: Annotated[Number, Field(ge=0)] = 1.0


class CallCosts(Cost):
    """An answer that is passed by a function call; to `ask`, or to publish, is cheaper.

    `step` is what it costs the broker to decide what to send. A loop that has no socket to watch takes
    `rouse` to turn when it woke up, `turn` for each turn, `finish` when a consumer is done and `sleep`
    to go to sleep; it becomes `cold` times as cold as others.
    """

    ask: Seconds = 0.0
    step: Seconds = 0.0
    rouse: Seconds = 0.0
    turn: Seconds = 0.0
    finish: Seconds = 0.0
    sleep: Seconds = 0.0


class LinkPhysics(Description):
    """A connection: one-way `delay`, `bandwidth` in bytes/s and `buffer` in bytes (0: unlimited).

    Between loops on different cores it takes `hop` more: the sender's core has to wake the other one,
    at the pace that it works at then. The more the receiver has cooled in its sleep, the longer that
    takes: up to 1 + `drowsy` times as long.
    """

    delay: Seconds = 0.0
    hop: Seconds = 0.0
    drowsy: Annotated[Number, Field(ge=0)] = 0.0
    bandwidth: Annotated[Number, Field(ge=0)] = 0.0
    buffer: Natural = 0


class Stalls(Description):
    """Times when a core does nothing: `rate` a second at random, each of `length` seconds."""

    rate: Annotated[Number, Field(ge=0)] = 0.0
    length: Seconds = 0.0


class Physics(Description):
    """All costs of a machine, with `cores` cores on each of which `pins` puts event loops.

    `stalls` of each kind come on every core, on each by themselves. `noise` is the standard deviation
    of the logarithm of warm work, drawn for each message in a turn; what the cold adds has none, nor have
    the next messages of a batch. `swing` is that of the speed of a core, which lasts for a `spell` (its
    mean, at least 0.1 ms; they are memoryless), then is drawn anew; `drift` that of the speed of the
    whole machine, drawn for each run. `sync` is how long a durable log takes to have an append on disk.
    """

    loop: LoopCosts = LoopCosts()
    stream: StreamCosts = StreamCosts()
    exchange: ExchangeCosts = ExchangeCosts()
    connection: ConnectionCosts = ConnectionCosts()
    call: CallCosts = CallCosts()
    link: LinkPhysics = LinkPhysics()
    noise: Number = 0.0
    stalls: tuple[Stalls, ...] = ()
    swing: Annotated[Number, Field(ge=0)] = 0.0
    spell: Seconds = 0.0
    drift: Annotated[Number, Field(ge=0)] = 0.0
    sync: Seconds = 0.0
    cores: Count = 2
    pins: dict[str, Natural] = Field(default={"source": 0, "broker": 1, "target": 0})

    def core_of(self, side: str) -> int:
        return self.pins.get(side, 0) % self.cores

    def without_sockets(self) -> "Physics":
        """Return the physics of processes whose messages are calls: their loops have other prices."""
        call, loop = self.call, self.loop
        own = {
            "rouse": call.rouse,
            "iteration": call.turn,
            "finish": call.finish,
            "sleep": call.sleep,
        }
        loop = loop.model_copy(update={**own, "cold": loop.cold * call.cold})
        alike = call.model_copy(update={"cold": 1.0})
        return self.model_copy(update={"loop": loop, "call": alike})

    def steady(self) -> "Physics":
        """Return the same machine, but always at its typical speed."""
        return self.model_copy(update={"drift": 0.0})

    def quiet(self) -> "Physics":
        """Return the same machine without chance."""
        return self.steady().model_copy(update={"noise": 0.0, "swing": 0.0, "stalls": ()})

    def slower(self, times: float) -> "Physics":
        """Return a machine on which all work, waking up, and the way to another core take `times` as long."""
        changes = {name: _slower(getattr(self, name), times) for name in WORK}
        own = {name: getattr(self.loop, name) * times for name in LOOP_WORK}
        changes["loop"] = self.loop.model_copy(update=own)
        changes["link"] = self.link.model_copy(update={"hop": self.link.hop * times})
        return self.model_copy(update=changes)


WORK = ("stream", "exchange", "connection", "call")
LOOP_WORK = (
    "wake_up",
    "rouse",
    "iteration",
    "timer",
    "begin",
    "begin_next",
    "finish",
    "sleep",
)


def _slower(costs: Any, times: float) -> Any:
    if isinstance(costs, float):
        return costs * times
    changes = {name: _slower(value, times) for name, value in costs if name != "cold"}
    return costs.model_copy(update=changes)


IDEAL = Physics(cores=3, pins={"source": 0, "broker": 1, "target": 2})


class Calibrated(NamedTuple):
    """Physics, what is known of how it was measured (empty if it was not), and how sure it is.

    `ensemble` are other physics that the same runs would as likely have given.
    """

    physics: Physics
    manifest: dict[str, Any]
    ensemble: tuple[Physics, ...] = ()


def load(path: Path) -> Calibrated:
    """Return the physics in a calibration file, with its manifest; raises `InvalidInput`."""
    if not path.is_file():
        raise InvalidInput(f"{path}: not a file that can be read")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        data = None
    return read(data, str(path))


def read(data: Any, name: str) -> Calibrated:
    """Return the physics in the contents of the calibration file `name`; raises `InvalidInput`."""
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InvalidInput(f"{name}: not a calibration of schema {SCHEMA}")
    physics, manifest = Physics.read(data.get("physics"), f"{name}: physics"), data.get("manifest")
    others = data.get("ensemble")
    ensemble = tuple(
        Physics.read(other, f"{name}: ensemble, {i}")
        for i, other in enumerate(others if isinstance(others, list) else [])
    )
    return Calibrated(physics, manifest if isinstance(manifest, dict) else {}, ensemble)


def reference() -> Calibrated:
    """Return the calibration that the package ships, with its manifest."""
    with resources.as_file(resources.files("lab") / "reference_calibration.json") as path:
        return load(path)
