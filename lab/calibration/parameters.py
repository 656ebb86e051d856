"""The free parameters of the physics: where the search starts, and which runs they matter for."""

import os
from typing import NamedTuple

import numpy as np

from lab.physics import LOOP_WORK, Physics, Stalls
from lab.scenario import Scenario
from lab.strategies import Call, Exchange, Stream

SHAPES = ("slack", "drowsy", "cold", "habit", "steep")  # of how a loop sleeps and cools
LOOP = (*LOOP_WORK, *SHAPES)
# Each of these is fitted as what it is to the rest.
SHARES = ("soon", "residue", "shared", "displaced", "common")
COOLING = ("cold_half", "cold_power")  # how the cold comes back, see `_cooled`
OCTAVES = tuple(2.0**octave * 1e-9 for octave in range(14, 28))  # seconds: 16 µs to 134 ms
START = {  # seconds, or what the name says; the search stays within a factor of `REACH`
    "wake_up": 4.8e-6,
    "rouse": 6.2e-6,
    "iteration": 3.9e-6,
    "timer": 19e-6,
    "slack": 1e-3,  # of the sleep before a timer: what Linux allows itself in select()
    "begin": 1.6e-6,
    "begin_next": 0.75e-6,
    "finish": 6.1e-6,
    "sleep": 27e-6,
    "drowsy": 3.8,
    "cold": 8.0,
    "cold_half": 5e-3,
    "cold_power": 2.5,
    "habit": 1e-3,
    "soon": 0.15,  # to 1, of the cold that comes back at once to what does later
    "residue": 0.16,  # to 1, of the cold that outlives the time awake to what does not
    "shared": 0.67,  # to 1, of the cold that is the core's to that which is the loop's own
    "displaced": 0.3,  # to 1, of the cold that other work on the core can bring to what it cannot
    "common": 0.55,  # to 1, of the cold of a message's code that another's warms to the rest
    "hop": 34e-6,
    "hop_drowsy": 1.5,  # how much longer a hop takes to a loop as cold as can be
    "noise": 0.38,
    "stream_step": 0.98e-6,
    "send": 7.5e-6,
    "write": 12e-6,
    "receive": 5e-6,
    "read": 3.5e-6,
    "http_step": 3.6e-6,
    "request": 68e-6,
    "request_after": 13e-6,
    "serve": 31e-6,
    "reply": 34e-6,
    "reply_after": 5.1e-6,
    "response": 16e-6,
    "resume": 6.3e-6,
    "client": 100e-6,
    "server": 45e-6,
    "close": 50e-6,
    "connection_cold": 0.15,
    "http_cold": 0.75,
    "answer_cold": 0.5,
    "call_step": 5.2e-6,
    "call_ask": 0.5e-6,
    "call": 5.7e-6,
    "call_record": 0.42e-6,
    "call_rouse": 9.9e-6,
    "call_turn": 0.78e-6,
    "call_finish": 4e-6,
    "call_sleep": 9.9e-6,
    "call_cold": 0.86,
    "record": 1.9e-6,
    "byte": 0.54e-9,
    "steep": 2.5,  # power
    "send_after": 5e-6,
    "swing": 0.2,
    "spell": 20e-3,
}
CHANCE = ("noise", "swing", "spell")
NOT_WORK = {*SHAPES, *CHANCE, *COOLING, *SHARES, "hop_drowsy"}
WORK = [  # whether it follows the machine's speed, as in `Physics.slower`
    name not in NOT_WORK and not name.endswith("_cold") for name in START
]
REACH = 50.0
ASK, ANSWER = ("request", "serve"), ("reply", "response")
EXCHANGE = {*ASK, *ANSWER, "request_after", "reply_after", "http_cold", "answer_cold", "http_step"}
CALL = (
    "call",
    "call_record",
    "call_step",
    "call_rouse",
    "call_turn",
    "call_finish",
    "call_sleep",
    "call_cold",
    "call_ask",
)
CONNECTION = ("client", "server", "connection_cold")
WITH_SOCKETS = {"rouse", "iteration", "finish", "sleep"}  # others have values of their own
IN_PROCESS = {*LOOP, *COOLING, *SHARES, *CHANCE, *CALL} - {"common", *WITH_SOCKETS}
HIGH_RATE = 1_000  # messages a second from which several share a poll
LARGE = 1_000  # bytes from which each one counts


class Fixed(NamedTuple):
    """What is measured directly: bytes of socket buffer, stalls, the drift, a safe append."""

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
    if name in ("stream_step", "send_after"):
        return isinstance(wire, Stream)
    if name in EXCHANGE:
        return isinstance(wire, Exchange)
    if name == "resume":
        return strategy.name == "LongPoll"
    if name in CONNECTION:
        return isinstance(wire, Exchange)
    if name == "close":
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

    shares = {name: values[name] / (1 + values[name]) for name in SHARES}
    loop = (
        {name: values[name] for name in LOOP}
        | shares
        | {"sleeps": OCTAVES, "cooled": _cooled(values)}
    )
    colds = dict.fromkeys(ASK, values["http_cold"]) | dict.fromkeys(ANSWER, values["answer_cold"])
    exchange = {name: cost(name) | {"cold": cold} for name, cold in colds.items()}
    return Physics.read(
        {
            "loop": loop,
            "stream": {
                "send": cost("send", "write"),
                "receive": cost("receive", "read"),
                "step": values["stream_step"],
            },
            "exchange": {**exchange, "resume": values["resume"], "step": values["http_step"]},
            "connection": {
                "client": values["client"],
                "server": values["server"],
                "close": values["close"],
                "cold": values["connection_cold"],
            },
            "call": {
                "fixed": values["call"],
                "record": values["call_record"],
                "step": values["call_step"],
                "ask": values["call_ask"],
                "rouse": values["call_rouse"],
                "turn": values["call_turn"],
                "finish": values["call_finish"],
                "sleep": values["call_sleep"],
                "cold": values["call_cold"],
            },
            "link": {
                "hop": values["hop"],
                "drowsy": values["hop_drowsy"],
                "buffer": fixed.buffer,
            },
            **{name: values[name] for name in CHANCE},
            "stalls": [stalls.model_dump() for stalls in fixed.stalls],
            "drift": fixed.drift,
            "sync": fixed.sync,
            "cores": len(os.sched_getaffinity(0)),
        },
        "physics",
    )


def _cooled(values: dict[str, float]) -> list[float]:
    """Return which share of the cold that comes back slowly does in each of `OCTAVES`.

    Half of it does in `cold_half`, and the larger `cold_power` is, the more of it about then (a Hill
    function).
    """
    times = values["cold_half"] / np.array(OCTAVES)
    return (1 / (1 + times ** values["cold_power"])).tolist()
