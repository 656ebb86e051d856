"""The free parameters of the physics: where the search starts, and which runs they matter for."""

import os
from typing import NamedTuple

import numpy as np

from lab.physics import SLEEPS, Physics, Stalls
from lab.scenario import Scenario
from lab.strategies import Call, Exchange, Stream

LOOP = ("wake_up", "iteration", "timer", "begin", "begin_next", "sleep", "drowsy", "shared")
COLD = tuple(f"cold_{1e3 * sleep:g}_ms" for sleep in SLEEPS)  # what the sleep adds to a shorter one
START = {  # seconds, or what the name says; the search stays within a factor of `REACH`
    "wake_up": 18e-6,
    "iteration": 4.8e-6,
    "timer": 8.6e-6,
    "begin": 2e-6,
    "begin_next": 1e-6,
    "sleep": 28e-6,
    "drowsy": 9.4,
    **dict(zip(COLD, (0.071, 0.053, 0.47, 0.6, 0.89, 3.3, 1.5, 0.52, 0.77), strict=True)),
    "shared": 0.44,  # to 1, of the cold that is the core's to that which is the loop's own
    "delay": 22e-6,
    "noise": 0.15,
    "stream_step": 1.7e-6,
    "send": 6.1e-6,
    "write": 12e-6,
    "receive": 2e-6,
    "read": 4.6e-6,
    "http_step": 5.1e-6,
    "request": 60e-6,
    "request_after": 40e-6,
    "serve": 45e-6,
    "reply": 37e-6,
    "reply_after": 6.8e-6,
    "response": 23e-6,
    "resume": 8.3e-6,
    "client": 41e-6,
    "server": 33e-6,
    "close": 40e-6,
    "http_cold": 0.61,
    "call_step": 6e-6,
    "publish": 0.58e-6,
    "call": 5.7e-6,
    "call_record": 0.9e-6,
    "call_turn": 0.92e-6,
    "call_sleep": 23e-6,
    "record": 3.3e-6,
    "byte": 0.65e-9,
}
REACH = 50.0
REQUEST = ("request", "serve", "reply", "response")
EXCHANGE = {*REQUEST, "request_after", "reply_after", "http_cold", "http_step"}
CALL = ("call", "call_record", "call_step", "publish", "call_turn", "call_sleep")
CONNECTION = ("client", "server", "close")
IN_PROCESS = {*LOOP, *COLD, "noise", *CALL} - {"shared", "iteration", "sleep"}
HIGH_RATE = 1_000  # messages a second from which several share a poll
LARGE = 1_000  # bytes from which each one counts


class Fixed(NamedTuple):
    """What is measured directly: bytes of socket buffer, stalls by core, the drift, a safe append."""

    buffer: int = 0
    stalls: tuple[Stalls, ...] = ()
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
    if name == "stream_step":
        return isinstance(wire, Stream)
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
    exchange = {name: cost(name) | cold for name in REQUEST}
    return Physics.read(
        {
            "loop": loop,
            "stream": {
                "send": cost("send", "write"),
                "receive": cost("receive", "read"),
                "step": values["stream_step"],
            },
            "exchange": {**exchange, "resume": values["resume"], "step": values["http_step"]},
            "connection": {name: values[name] for name in CONNECTION},
            "call": {
                "fixed": values["call"],
                "record": values["call_record"],
                "step": values["call_step"],
                "publish": values["publish"],
                "turn": values["call_turn"],
                "sleep": values["call_sleep"],
            },
            "link": {"delay": values["delay"], "buffer": fixed.buffer},
            "noise": values["noise"],
            "stalls": [stalls.model_dump() for stalls in fixed.stalls],
            "drift": fixed.drift,
            "sync": fixed.sync,
            "cores": len(os.sched_getaffinity(0)),
        },
        "physics",
    )
