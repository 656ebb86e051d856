"""The free parameters of the physics: where the search starts, and which runs they matter for."""

import os
from typing import NamedTuple

from lab.physics import Physics
from lab.scenario import Scenario
from lab.strategies import Call, Exchange

LOOP = (
    "wake_up",
    "iteration",
    "timer",
    "step",
    "sleep",
    "cold",
    "drowsy",
    "cooling",
    "sharpness",
    "quick",
    "dozing",
    "shared",
    "warming",
)
START = {  # seconds, or what the name says; the search stays within a factor of `REACH`
    "wake_up": 40e-6,
    "iteration": 10e-6,
    "timer": 3e-6,
    "step": 5e-6,
    "sleep": 30e-6,
    "cold": 5.0,
    "drowsy": 3.0,
    "cooling": 4e-3,
    "sharpness": 2.5,
    "quick": 0.15,
    "dozing": 1e-3,
    "shared": 1.0,  # to 1, of the cold that is the core's to that which is the loop's own
    "warming": 0.12e-3,
    "delay": 8e-6,
    "noise": 0.2,
    "send": 25e-6,
    "write": 25e-6,
    "receive": 20e-6,
    "read": 20e-6,
    "request": 120e-6,
    "request_after": 30e-6,
    "serve": 90e-6,
    "reply": 60e-6,
    "reply_after": 20e-6,
    "response": 60e-6,
    "resume": 30e-6,
    "client": 80e-6,
    "server": 60e-6,
    "http_cold": 1.0,
    "call": 3e-6,
    "call_record": 1e-6,
    "record": 1e-6,
    "byte": 2e-9,
}
REACH = 50.0
EXCHANGE = {"request", "request_after", "serve", "reply", "reply_after", "response", "http_cold"}
IN_PROCESS = {*LOOP, "noise", "call", "call_record"} - {"step", "shared"}
HIGH_RATE = 1_000  # messages a second from which several share a poll
LARGE = 1_000  # bytes from which each one counts


class Fixed(NamedTuple):
    """What is measured directly: bytes of socket buffer, stalls, the drift, a safe append."""

    buffer: int = 0
    stall_rate: float = 0.0
    stall_mean: float = 0.0
    drift: float = 0.0
    sync: float = 0.0


def matters(name: str, scenario: Scenario) -> bool:
    """Say whether a parameter can change a run, or is only noise in its figures."""
    strategy = scenario.strategies[0]
    wire, workload = strategy.wire, scenario.workload
    if isinstance(wire, Call):
        return name in IN_PROCESS
    if name in ("call", "call_record"):
        return False
    if name in EXCHANGE:
        return isinstance(wire, Exchange)
    if name == "resume":
        return strategy.name == "LongPoll"
    if name in ("client", "server"):
        return isinstance(wire, Exchange) and not wire.keep_alive
    if name == "byte":
        return workload.size.mean >= LARGE or workload.arrivals.mean_rate >= HIGH_RATE
    if name == "record":
        return workload.arrivals.mean_rate >= HIGH_RATE or hasattr(strategy, "max_records")
    return True


def physics_of(values: dict[str, float], fixed: Fixed = Fixed()) -> Physics:  # noqa: B008
    """Return the physics with these values (the keys of `START`).

    A record or byte costs the same to write and to read, on streams and in HTTP bodies alike.
    """

    def cost(name: str, once: str = "") -> dict[str, float]:
        return {
            "fixed": values[name],
            "record": values["record"],
            "byte": values["byte"],
            "once": values.get(once, 0.0),
            "after": values.get(f"{name}_after", 0.0),
        }

    shared = values["shared"]
    cold = {"cold": values["http_cold"]}
    exchange = {name: cost(name) | cold for name in ("request", "serve", "reply", "response")}
    return Physics.read(
        {
            "loop": {name: values[name] for name in LOOP} | {"shared": shared / (1 + shared)},
            "stream": {"send": cost("send", "write"), "receive": cost("receive", "read")},
            "exchange": {**exchange, "resume": values["resume"]},
            "connection": {"client": values["client"], "server": values["server"]},
            "call": {"fixed": values["call"], "record": values["call_record"]},
            "link": {"delay": values["delay"], "buffer": fixed.buffer},
            "noise": values["noise"],
            "stalls": {"rate": fixed.stall_rate, "mean": fixed.stall_mean},
            "drift": fixed.drift,
            "sync": fixed.sync,
            "cores": len(os.sched_getaffinity(0)),
        },
        "physics",
    )
