"""The free parameters of the physics: where the search starts, and which runs they matter for."""

import os
from typing import NamedTuple

import numpy as np

from lab.physics import SLEEPS, Physics
from lab.scenario import Scenario
from lab.strategies import Call, Exchange

LOOP = ("wake_up", "iteration", "timer", "step", "sleep", "drowsy", "shared")
COLD = tuple(f"cold_{1e3 * sleep:g}_ms" for sleep in SLEEPS)  # what the sleep adds to a shorter one
START = {  # seconds, or what the name says; the search stays within a factor of `REACH`
    "wake_up": 20e-6,
    "iteration": 9e-6,
    "timer": 6e-6,
    "step": 2.7e-6,
    "sleep": 24e-6,
    "drowsy": 8.0,
    **dict(zip(COLD, (0.03, 0.05, 0.45, 0.7, 1.8, 3.2, 1.7, 0.3, 0.4), strict=True)),
    "shared": 1.0,  # to 1, of the cold that is the core's to that which is the loop's own
    "delay": 28e-6,
    "noise": 0.25,
    "send": 7.5e-6,
    "write": 7e-6,
    "receive": 2e-6,
    "read": 5e-6,
    "request": 57e-6,
    "request_after": 35e-6,
    "serve": 40e-6,
    "reply": 25e-6,
    "reply_after": 23e-6,
    "response": 47e-6,
    "resume": 8e-6,
    "client": 35e-6,
    "server": 52e-6,
    "close": 37e-6,
    "http_cold": 0.6,
    "call": 1e-6,
    "call_record": 0.9e-6,
    "call_cold": 2.0,
    "call_turn": 8e-6,
    "record": 3.3e-6,
    "byte": 1e-9,
}
REACH = 50.0
EXCHANGE = {"request", "request_after", "serve", "reply", "reply_after", "response", "http_cold"}
CALL = ("call", "call_record", "call_cold", "call_turn")
CONNECTION = ("client", "server", "close")
IN_PROCESS = {*LOOP, *COLD, "noise", *CALL} - {"step", "shared", "iteration"}
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
    if name in CALL:
        return False
    if name in EXCHANGE:
        return isinstance(wire, Exchange)
    if name == "resume":
        return strategy.name == "LongPoll"
    if name in CONNECTION:
        return isinstance(wire, Exchange) and not wire.keep_alive
    if name == "byte":
        return workload.size.mean >= LARGE or workload.arrivals.mean_rate >= HIGH_RATE
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

    shared, cold_after = values["shared"], np.cumsum([values[name] for name in COLD])
    loop = {name: values[name] for name in LOOP} | {
        "shared": shared / (1 + shared),
        "cold": float(cold_after[-1]),
        "cooled": (cold_after / cold_after[-1]).tolist(),
    }
    cold = {"cold": values["http_cold"]}
    exchange = {name: cost(name) | cold for name in ("request", "serve", "reply", "response")}
    return Physics.read(
        {
            "loop": loop,
            "stream": {"send": cost("send", "write"), "receive": cost("receive", "read")},
            "exchange": {**exchange, "resume": values["resume"]},
            "connection": {name: values[name] for name in CONNECTION},
            "call": {
                "fixed": values["call"],
                "record": values["call_record"],
                "cold": values["call_cold"],
                "turn": values["call_turn"],
            },
            "link": {"delay": values["delay"], "buffer": fixed.buffer},
            "noise": values["noise"],
            "stalls": {"rate": fixed.stall_rate, "mean": fixed.stall_mean},
            "drift": fixed.drift,
            "sync": fixed.sync,
            "cores": len(os.sched_getaffinity(0)),
        },
        "physics",
    )
