"""Learning this machine's physics: short measured runs, and the costs with which simulation repeats them.

A run is described by the median and the 90 % quantile of each part of its latencies and by the CPU
time of each side per message. The physics is the one whose simulated runs, on the same arrivals,
come closest to the measured ones in the logarithms of these figures (least squares). Single
parameters trade off against one another; what is estimated well is what runs do.
"""

import datetime
import json
import os
import platform
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.optimize import least_squares

from lab.compare import Progress, silent
from lab.engines import common
from lab.engines.simulation import simulate
from lab.files import whole_file
from lab.physics import SCHEMA, LinkPhysics, Physics
from lab.scenario import Scenario
from lab.strategies import InProcessLongPoll, LongPoll, ShortPoll, Strategy, Webhook, WebSocketPush
from lab.trace import Trace
from lab.workload import Constant, Poisson, Workload

SEGMENTS = 3
SECONDS = 2.0
SEED = 20
SHORTEST = 3e-6  # seconds; parts shorter than this are not fitted
FLOOR = 1e-6  # added to both sides of a ratio, so that nothing is infinitely wrong
WEIGHTS = {"p50": 1.0, "p90": 0.4, "cpu": 0.6}

PLAN: list[tuple[Strategy, float, int]] = [  # strategy, messages a second, bytes
    (WebSocketPush(), 50, 100),
    (WebSocketPush(), 300, 100),
    (WebSocketPush(), 2000, 100),
    (WebSocketPush(), 200, 20_000),
    (WebSocketPush(batch_size=20, linger=0.02), 2000, 100),
    (Webhook(), 50, 100),
    (Webhook(), 400, 100),
    (Webhook(batch_size=20, linger=0.02), 2000, 100),
    (Webhook(keep_alive=False), 100, 100),
    (LongPoll(), 50, 100),
    (LongPoll(), 400, 100),
    (LongPoll(), 200, 20_000),
    (ShortPoll(interval=0.05), 300, 100),
    (InProcessLongPoll(), 300, 100),
]

LOOP = ("wake_up", "iteration", "timer", "step", "cold", "cooling")
START = {  # seconds, or what the name says; the search stays within a factor of 30
    "wake_up": 50e-6,
    "iteration": 40e-6,
    "timer": 10e-6,
    "step": 10e-6,
    "cold": 1.0,
    "cooling": 5e-3,
    "delay": 5e-6,
    "noise": 0.3,
    "send": 100e-6,
    "receive": 50e-6,
    "request": 250e-6,
    "serve": 150e-6,
    "reply": 100e-6,
    "response": 75e-6,
    "resume": 40e-6,
    "client": 120e-6,
    "server": 80e-6,
    "call": 5e-6,
    "record": 1e-6,
    "byte": 2e-9,
}


@dataclass(frozen=True)
class Sample:
    """One measured run: the scenario and replication it came from, and its figures by name."""

    scenario: Scenario
    replication: int
    figures: dict[str, float]


def physics_of(values: dict[str, float], buffer: int = 0) -> Physics:
    """Return the physics with these values (the keys of `START`).

    A record or byte costs the same to write and to read, on streams and in HTTP bodies alike.
    """

    def cost(name: str, records: bool = False) -> dict[str, float]:
        data = {"record": values["record"], "byte": values["byte"]} if records else {}
        return {"fixed": values[name], **data}

    loop = {name: values[name] for name in LOOP}
    exchange: dict[str, Any] = {
        name: cost(name, True) for name in ("request", "serve", "reply", "response")
    }
    return Physics.read(
        {
            "loop": loop,
            "stream": {"send": cost("send", True), "receive": cost("receive", True)},
            "exchange": exchange | {"resume": values["resume"]},
            "connection": {"client": values["client"], "server": values["server"]},
            "call": cost("call"),
            "link": LinkPhysics(delay=values["delay"], buffer=buffer).model_dump(),
            "noise": values["noise"],
            "cores": len(os.sched_getaffinity(0)),
        },
        "physics",
    )


def figures(trace: Trace) -> dict[str, float]:
    """Return what is fitted of a run: quantiles of its parts, CPU seconds per message by side."""
    found = {}
    for part, values in trace.parts().items():
        found[f"{part} p50"], found[f"{part} p90"] = np.nanquantile(values, (0.5, 0.9))
    for side, used in trace.counters.cpu_seconds.items():
        found[f"{side} cpu"] = used / len(trace)
    return {name: float(value) for name, value in found.items()}


def scenarios() -> list[Scenario]:
    """Return the runs of the calibration, one scenario each."""
    return [
        Scenario(
            name="calibration",
            workload=Workload(
                arrivals=Poisson(rate=rate),
                size=Constant(value=size),
                duration=SECONDS,
                seed=SEED + i,
            ),
            strategies=[strategy],
        )
        for i, (strategy, rate, size) in enumerate(PLAN)
    ]


def measure(progress: Progress = silent) -> list[Sample]:
    """Measure every run of the plan `SEGMENTS` times, interleaved in random order."""
    from lab.engines.loopback import Session  # needs sockets, which fitting does not

    order = np.random.default_rng(SEED)
    plan, samples = scenarios(), []
    with Session() as session:
        session.measure(plan[0], plan[0].strategies[0])  # imports and first uses are not counted
        for segment in range(SEGMENTS):
            for done, i in enumerate(order.permutation(len(plan))):
                strategy = plan[i].strategies[0]
                progress(
                    f"measuring {strategy.label}", segment * len(plan) + done, SEGMENTS * len(plan)
                )
                trace = session.measure(plan[i], strategy, segment)
                samples.append(Sample(plan[i], segment, figures(trace)))
    return samples


def fit(
    samples: list[Sample], buffer: int = 0, progress: Progress = silent
) -> tuple[Physics, dict[str, float]]:
    """Return the physics that repeats `samples` best, and its mean error for each kind of figure."""
    names = list(START)
    start = np.log(list(START.values()))
    typical = _typical(samples)
    tried = 0

    def residuals(point: np.ndarray) -> np.ndarray:
        nonlocal tried
        tried += 1
        progress("fitting", tried, MOST_TRIALS)
        physics = physics_of(dict(zip(names, np.exp(point).tolist(), strict=True)), buffer)
        return np.concatenate([_residuals(sample, physics) for sample in typical])

    reach = np.log(30)
    found = least_squares(
        residuals,
        start,
        bounds=(start - reach, start + reach),
        diff_step=[0.05] * len(start),
        loss="soft_l1",
        f_scale=0.2,
        max_nfev=MOST_STEPS,
    )
    values = {name: float(f"{v:.4g}") for name, v in zip(names, np.exp(found.x), strict=True)}
    physics = physics_of(values, buffer)
    return physics, _errors(typical, physics)


MOST_STEPS = 20
MOST_TRIALS = MOST_STEPS * (len(START) + 1)


def _typical(samples: list[Sample]) -> list[Sample]:
    """Return one sample for each scenario: the medians of its segments' figures."""
    by_seed: dict[int, list[Sample]] = {}
    for sample in samples:
        by_seed.setdefault(sample.scenario.workload.seed, []).append(sample)
    return [
        Sample(
            some[0].scenario,
            some[0].replication,
            {k: float(np.median([s.figures[k] for s in some])) for k in some[0].figures},
        )
        for some in by_seed.values()
    ]


def _residuals(sample: Sample, physics: Physics) -> np.ndarray:
    simulated = figures(
        simulate(sample.scenario, sample.scenario.strategies[0], physics, sample.replication)
    )
    return np.array(
        [
            WEIGHTS[name.split()[-1]] * np.log((simulated[name] + FLOOR) / (value + FLOOR))
            for name, value in sample.figures.items()
            if value > SHORTEST and not _is_waiting(sample, name)
        ]
    )


def _is_waiting(sample: Sample, name: str) -> bool:
    """Say whether a figure is set by the workload and not by the machine: waiting for the next poll."""
    return isinstance(sample.scenario.strategies[0], ShortPoll) and name.startswith(
        "broker residence"
    )


def _errors(samples: list[Sample], physics: Physics) -> dict[str, float]:
    """Return the median absolute error, as a share, for each kind of figure."""
    found: dict[str, list[float]] = {}
    for sample in samples:
        strategy = sample.scenario.strategies[0]
        simulated = figures(simulate(sample.scenario, strategy, physics, sample.replication))
        for name, value in sample.figures.items():
            if value > SHORTEST:
                found.setdefault(name, []).append(abs(simulated[name] / value - 1))
    return {name: round(float(np.median(errors)), 4) for name, errors in sorted(found.items())}


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


def calibrate(progress: Progress = silent) -> dict[str, Any]:
    """Measure this machine and return the contents of a calibration file."""
    return learn(measure(progress), socket_buffer(), progress)


def learn(samples: list[Sample], buffer: int, progress: Progress = silent) -> dict[str, Any]:
    """Return the contents of a calibration file that comes from these runs."""
    physics, errors = fit(samples, buffer, progress)
    runs = [
        {
            "strategy": s.scenario.strategies[0].label,
            "rate": s.scenario.workload.arrivals.mean_rate,
            "size": s.scenario.workload.size.mean,
            "replication": s.replication,
            "figures": {k: float(f"{v:.4g}") for k, v in s.figures.items()},
        }
        for s in samples
    ]
    manifest = {
        "date": datetime.date.today().isoformat(),
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {_processor()}",
        "versions": common.versions(),
        "settings": _settings(),
        "errors": errors,
        "runs": runs,
    }
    return {"schema": SCHEMA, "physics": physics.model_dump(mode="json"), "manifest": manifest}


def save(data: dict[str, Any], path: Path) -> None:
    """Write a calibration file, whole or not at all."""
    with whole_file(path) as file:
        file.write((json.dumps(data, indent=1) + "\n").encode())


def _settings() -> dict[str, Any]:
    from lab.engines.loopback import settings

    return settings.described()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return "processor unknown"
