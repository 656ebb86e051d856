"""The calibration file: physics learned from runs, with all that is needed to judge it."""

import json
import math
import os
import socket
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

from lab import machine
from lab.calibration.figures import costs, figures
from lab.calibration.fit import FULL, QUICK, Fitted, fit, points
from lab.calibration.parameters import Fixed, physics_of
from lab.calibration.runs import Sample, measure, plain
from lab.calibration.stalls import Late, expected, stalls
from lab.compare import Progress, silent
from lab.description import InvalidInput
from lab.engines import common
from lab.engines.simulation import simulate
from lab.files import whole_file
from lab.physics import SCHEMA, Calibrated, Physics, Stalls, load, read
from lab.trace import Trace

PROBE, QUICK_PROBE = 2.0, 1.0  # seconds
UNSURE = 0.04  # a parameter that moves more (in its logarithm) over the ensemble is not identified
VAGUE = 0.15  # nor is one of whose deviation before any run the runs leave more than this share
APPENDS = 50  # to a log on disk


class Direct(NamedTuple):
    """What is read off the machine without runs: bytes that a socket holds, seconds of an append."""

    buffer: int = 0
    sync: float = 0.0


def calibrate(quick: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Measure this machine and return the contents of a calibration file.

    Takes a few minutes, nine on a slow machine that is often disturbed, in the quick form one.
    """
    made = origin(quick, progress)
    samples = measure(quick, progress)
    return learn(samples, Direct(socket_buffer(), safe_append()), made, quick, progress)


def origin(quick: bool = False, progress: Progress = silent) -> dict[str, Any]:
    """Return what a calibration says of where it comes from; the machine is probed for that."""
    from lab.calibration.probe import probe  # needs sockets, which learning does not

    return {
        "date": datetime.now().astimezone().isoformat(timespec="seconds"),
        "form": "quick" if quick else "full",
        "machine": machine.name(),
        "probe": probe(QUICK_PROBE if quick else PROBE, progress).to_json(),
        "versions": common.versions(),
        "settings": _settings(),
    }


def learn(
    samples: Sequence[Sample],
    direct: Direct = Direct(),  # noqa: B008
    origin: dict[str, Any] | None = None,
    quick: bool = False,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Return the contents of a calibration file that comes from these runs.

    The same runs give the same contents. `origin` says where they come from.
    """
    cores = len(os.sched_getaffinity(0))
    fixed = Fixed(direct.buffer, sync=direct.sync)
    effort = QUICK if quick else FULL
    found = fit(samples, fixed, effort, progress, workers=cores)
    told = _simulated(samples, physics_of(found.values, fixed))
    fixed = fixed._replace(stalls=_stalls(samples, told), drift=_drift(samples, told))
    manifest = {
        **(origin or {}),
        "errors": found.errors,
        "parameters": parameters(found),
        "disturbed": sum(not s.calm for s in samples),
        "runs": [plain(s) for s in samples],
    }
    return {
        "schema": SCHEMA,
        "physics": physics_of(found.values, fixed).model_dump(mode="json"),
        "ensemble": [physics_of(v, fixed).model_dump(mode="json") for v in found.ensemble],
        "manifest": manifest,
    }


def calibrated(data: dict[str, Any]) -> Calibrated:
    """Return the physics in the contents of a calibration file."""
    return read(data, "calibration")


def parameters(found: Fitted) -> dict[str, dict[str, Any]]:
    """Return each parameter's value, how sure it is by `UNSURE` and `VAGUE`, and whether by both."""
    result = {}
    for name, value in found.values.items():
        spread = float(np.std([math.log(member[name] / value) for member in found.ensemble]))
        vague = found.vague[name]
        result[name] = {
            "value": value,
            "spread": round(spread, 3),
            "vague": round(vague, 3),
            "identified": spread <= UNSURE and vague <= VAGUE,
        }
    return result


Simulated = dict[tuple[int, int], Trace]  # by seed and replication of the runs that are repeated


def _simulated(samples: Sequence[Sample], physics: Physics) -> Simulated:
    """Return what measured runs are without stalls and drift, which this physics has none of."""
    return {
        _name(s): simulate(s.scenario, s.scenario.strategies[0], physics, s.replication)
        for s in samples
    }


def _name(sample: Sample) -> tuple[int, int]:
    return sample.scenario.workload.seed, sample.replication


def _stalls(samples: Sequence[Sample], simulated: Simulated) -> tuple[Stalls, ...]:
    """Return the stalls of a core that explain the late messages which simulation does not."""
    groups: list[list[tuple[Late, NDArray[np.float64]]]] = []
    for alike in points(samples):
        by_side = defaultdict[str, list[tuple[Late, NDArray[np.float64]]]](list)
        for sample in alike:
            for side, late in sample.late.items():
                by_side[side].append((late, expected(late, side, simulated[_name(sample)])))
        groups += by_side.values()
    return stalls(groups)


def _drift(samples: Sequence[Sample], simulated: Simulated) -> float:
    """Return by how much the machine's speed differs from run to run: deviation of its logarithm.

    What differs in simulation, too, because arrivals do and each core's speed swings, is left out.
    """
    spreads = np.zeros(2)
    for alike in points(samples):
        calm = [s.calm for s in alike]
        runs = [s.figures for s in alike], [figures(simulated[_name(s)]) for s in alike]
        spreads += [np.sum(np.log(costs(some, calm)) ** 2) for some in runs]
    measured, without = spreads / max(len(samples), 1)
    return float(f"{math.sqrt(max(0.0, measured - without)):.4g}")


def socket_buffer() -> int:
    """Return how many bytes a loopback connection holds for a peer that does not read."""
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as sender,
        server.accept()[0],
    ):
        sender.setblocking(False)
        held = 0
        try:
            while held < 2**26:
                held += sender.send(b"x" * 4096)
        except BlockingIOError:
            pass
        return held


def safe_append() -> float:
    """Return how long a durable log takes to have a record on disk, in seconds."""
    from lab.engines.loopback.journal import SqliteJournal  # not needed to learn

    times = []
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(SqliteJournal(Path(folder) / "log.sqlite")) as journal,
    ):
        for i in range(APPENDS):
            begun = time.perf_counter()
            journal.append(i, [i], None, 0.0)
            times.append(time.perf_counter() - begun)
    return float(f"{np.median(times):.4g}")


def described(data: dict[str, Any]) -> Iterator[str]:
    """Yield lines that tell a person what a calibration found, and how good it is."""
    manifest = data["manifest"]
    physics = calibrated(data).physics
    loop, costs = physics.loop, manifest["parameters"]
    yield (
        f"A loop that slept long takes {1e6 * loop.wake_up * (1 + loop.drowsy):.0f} µs to wake up,"
        f" one that just slept {1e6 * loop.wake_up:.0f} µs; work costs it up to {1 + loop.cold:.1f}"
        " times as much."
    )
    sent, received = physics.stream.send, physics.stream.receive
    yield (
        "CPU time of one message, warm: a stream's"
        f" {1e6 * (sent.fixed + sent.once + sent.after + received.fixed + received.once):.0f} µs,"
        f" a request and its answer {1e6 * _round_trip(physics):.0f} µs."
    )
    yield f"{manifest['disturbed']} of {len(manifest['runs'])} runs were disturbed from outside."
    yield "Median error of the fitted runs: " + "; ".join(
        f"{name} {manifest['errors'][name]:.0%}"
        for name in ("latency p50", "latency p90", "throughput")
        if name in manifest["errors"]
    )
    vague = [name for name, found in costs.items() if not found["identified"]]
    if vague:
        yield f"Not told apart by these runs: {', '.join(vague)}."


def _round_trip(physics: Physics) -> float:
    costs = physics.exchange
    parts = (costs.request, costs.serve, costs.reply, costs.response)
    return sum(cost.fixed + cost.after for cost in parts)


def save(data: dict[str, Any], path: Path) -> None:
    """Write a calibration file, whole or not at all."""
    with whole_file(path) as file:
        file.write((json.dumps(data, indent=1) + "\n").encode())


def own_path() -> Path:
    """Return where this user's calibration of this machine is kept."""
    return user_cache_path("pushpull") / "calibration.json"


def own() -> Calibrated | None:
    """Return this user's own calibration; None if there is none, or one of another version."""
    try:
        return load(own_path())
    except InvalidInput:
        return None


def _settings() -> dict[str, Any]:
    from lab.engines.loopback import settings

    return settings.described()
