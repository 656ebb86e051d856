"""Five programs with a bug each, handed out by letter: what they promise, and how to try them.

The bugs are among those of `lab.course.bugs`. Whoever hunts should not read further than `CLAIMS`.
"""

from contextlib import nullcontext
from dataclasses import dataclass, replace

from lab.course.bugs import BUGS, planted
from lab.engines.simulation import simulate
from lab.faults import ConsumerCrash, Fault, LinkDown, LostResponse, SlowConsumer
from lab.outcomes.checks import check
from lab.physics import reference
from lab.scenario import Producer, Scenario
from lab.strategies import LongPoll, Strategy, Webhook, WebSocketPush
from lab.trace import Trace
from lab.workload import Poisson, Workload

FAULTS: dict[str, tuple[Fault, ...]] = {
    "nothing": (),
    "slow consumer": (SlowConsumer(at=1, duration=0.6, times=10),),
    "consumer crash": (ConsumerCrash(at=1.8, duration=0.5),),
    "link down": (LinkDown(at=1, duration=0.4),),
    "lost answer to the producer": (LostResponse(at=1, link="ingest"),),
}
CLAIMS = {
    "A": "A long poll that saves its offset after the work: nothing is lost if the consumer crashes.",
    "B": "A WebSocket with acks and credits: messages are worked on in the order of creation.",
    "C": "A long poll behind an idempotent producer: no message is taken into the log twice.",
    "D": "A webhook with ten attempts: none is given up before the tenth has failed.",
    "E": "A long poll: a held request is answered as soon as there is something to answer.",
}


@dataclass(frozen=True)
class _Suspect:
    strategy: Strategy
    bug: str  # its name in `BUGS`


_LONG_POLL = LongPoll(max_records=20, timeout=0.5)
_SUSPECTS = {
    "A": _Suspect(_LONG_POLL, "commit before the work"),
    "B": _Suspect(WebSocketPush(acks=True, credits=20), "newest first"),
    "C": _Suspect(_LONG_POLL, "take repetitions of an idempotent producer"),
    "D": _Suspect(
        Webhook(timeout=0.5, retry_first=0.05, attempts=10), "give up at the first failure"
    ),
    "E": _Suspect(_LONG_POLL, "forget to wake a held poll"),
}


def scenario(letter: str, *faults: Fault) -> Scenario:
    """Return what a program is tried with: 300 messages or so, work that keeps it busy, faults."""
    return Scenario(
        name="hunt",
        workload=Workload(arrivals=Poisson(rate=100), work=0.008, duration=3, seed=7),
        strategies=[_SUSPECTS[letter].strategy],
        faults=list(faults),
        producer=Producer(acks="idempotent", timeout=0.3),
        durable=True,
    )


def run(letter: str, *faults: Fault, sound: bool = False) -> Trace:
    """Simulate a program under `faults`; with `sound` as it ought to be, without its bug.

    Only simulated runs have the bug: it is planted into this process, and the measured sides run in
    others. What a role decides is the same in both engines.
    """
    tried = scenario(letter, *faults)
    bug = next(bug for bug in BUGS if bug.name == _SUSPECTS[letter].bug)
    with nullcontext() if sound else planted(bug):
        trace = simulate(tried, tried.strategies[0], reference().physics.steady())
    name = f"{letter}, {'sound' if sound else 'as it is'}"
    return replace(trace, manifest={**trace.manifest, "strategy": name})


def shows(letter: str) -> list[str]:
    """Return the names of those `FAULTS` under which the checker finds a broken promise."""
    return [name for name, faults in FAULTS.items() if check(run(letter, *faults))]
