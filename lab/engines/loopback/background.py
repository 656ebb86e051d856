"""What else the cores did during a run: work of other processes, and of other virtual machines."""

import os
from pathlib import Path
from typing import NamedTuple

STAT = Path("/proc/stat")
IDLE, IO_WAIT, STEAL = 3, 4, 7  # columns of a cpu line; the first seven but these two are work


class Ticks(NamedTuple):
    """Clock ticks that some cores have spent at work, and waiting for their host (`stolen`)."""

    busy: int
    stolen: int


def ticks(cores: set[int]) -> Ticks | None:
    """Return the ticks of `cores` so far, None where the system does not tell."""
    try:
        lines = STAT.read_text().splitlines()
    except OSError:
        return None
    busy = stolen = 0
    for line in lines:
        name, *columns = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            counts = [int(column) for column in columns]
            busy += sum(counts[:STEAL]) - counts[IDLE] - counts[IO_WAIT]
            stolen += counts[STEAL]
    return Ticks(busy, stolen)


def shares(
    before: Ticks | None, after: Ticks | None, own: float, elapsed: float, cores: int
) -> dict[str, float] | None:
    """Return which shares of the time of `cores` went to other processes and to the host.

    `own` is the CPU time of the run's own processes, in seconds. `tick` is the share of one clock tick,
    the least that can be told of any of them.
    """
    whole = elapsed * cores
    if before is None or after is None or whole <= 0:
        return None
    tick = 1 / os.sysconf("SC_CLK_TCK")
    seconds = {
        "other": max(0.0, (after.busy - before.busy) * tick - own),
        "stolen": (after.stolen - before.stolen) * tick,
        "tick": tick,
    }
    return {name: round(value / whole, 4) for name, value in seconds.items()}
