"""The physics of the model: what this machine's event loops, connections and timers cost.

All times are seconds. `reference()` is a calibration made by this package on one machine;
`IDEAL` costs nothing at all, which is what the closed forms of queueing theory assume.
"""

import json
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import Field

from lab.description import Count, Description, InvalidInput, Natural, Number, Seconds

SCHEMA = 1


class Cost(Description):
    """CPU seconds for one protocol message: `fixed` + `record` for each record + `byte` a byte."""

    fixed: Seconds = 0.0
    record: Seconds = 0.0
    byte: Seconds = 0.0


class LoopCosts(Description):
    """What an asyncio event loop costs by itself.

    `wake_up` passes between an event and the first code that runs in a loop that slept;
    `iteration` is the CPU time of one turn besides what is handled in it; `timer` is how late the
    kernel says that a timer is due. Waking up, and every cost in the turn that follows, takes up to
    1 + `cold` times as long after a long sleep; the time constant is `cooling` seconds. `step` is
    the CPU time from having a message to acting on it: what a role takes to decide.
    """

    wake_up: Seconds = 0.0
    iteration: Seconds = 0.0
    timer: Seconds = 0.0
    step: Seconds = 0.0
    cold: Seconds = 0.0
    cooling: Seconds = 0.001


class StreamCosts(Description):
    """A frame of a stream: to write it, and to read and parse it."""

    send: Cost = Cost()
    receive: Cost = Cost()


class ExchangeCosts(Description):
    """An HTTP request: sent by the client, served, replied to, and the reply handled.

    `resume` is what it costs the server to take up a held request again.
    """

    request: Cost = Cost()
    serve: Cost = Cost()
    reply: Cost = Cost()
    response: Cost = Cost()
    resume: Seconds = 0.0


class ConnectionCosts(Description):
    """What a new connection adds to a request, on either side."""

    client: Seconds = 0.0
    server: Seconds = 0.0


class LinkPhysics(Description):
    """A connection: one-way `delay`, `bandwidth` in bytes/s and `buffer` in bytes (0: unlimited)."""

    delay: Seconds = 0.0
    bandwidth: Annotated[Number, Field(ge=0)] = 0.0
    buffer: Natural = 0


class Physics(Description):
    """All costs of a machine, with `cores` cores on each of which `pins` puts event loops.

    `noise` is the standard deviation of the logarithm of every cost, drawn for each loop turn.
    """

    loop: LoopCosts = LoopCosts()
    stream: StreamCosts = StreamCosts()
    exchange: ExchangeCosts = ExchangeCosts()
    connection: ConnectionCosts = ConnectionCosts()
    call: Cost = Cost()
    link: LinkPhysics = LinkPhysics()
    noise: Number = 0.0
    cores: Count = 2
    pins: dict[str, Natural] = Field(default={"source": 0, "broker": 1, "target": 0})

    def core_of(self, side: str) -> int:
        return self.pins.get(side, 0) % self.cores


IDEAL = Physics(cores=3, pins={"source": 0, "broker": 1, "target": 2})


class Calibrated(NamedTuple):
    """Physics, and what is known of how it was measured (empty if it was not)."""

    physics: Physics
    manifest: dict[str, Any]


def load(path: Path) -> Calibrated:
    """Return the physics in a calibration file, with its manifest; raises `InvalidInput`."""
    try:
        data = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    except (OSError, ValueError, RecursionError):
        data = None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise InvalidInput(f"{path}: not a calibration of schema {SCHEMA}")
    physics, manifest = Physics.read(data.get("physics"), f"{path}: physics"), data.get("manifest")
    return Calibrated(physics, manifest if isinstance(manifest, dict) else {})


def reference() -> Calibrated:
    """Return the calibration that the package ships, with its manifest."""
    with resources.as_file(resources.files("lab") / "reference_calibration.json") as path:
        return load(path)
