"""Torture: small random experiments under random faults, each judged by the delivery checker.

A schedule is all that a seed draws: strategy, knobs, messages, faults. What fails is made smaller,
by leaving out faults and messages as long as it still fails, and told in one line that repeats it.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from multiprocessing import get_context
from typing import Any, NamedTuple

import numpy as np

from lab.compare import Progress, silent
from lab.faults import FAULTS, BrokerRestart, ConsumerCrash, Fault, LinkFault, StalledLoop
from lab.outcomes.checks import check
from lab.scenario import Producer, Retention, Scenario
from lab.strategies import (
    ConsumerGroup,
    HttpIngest,
    LongPoll,
    PollThenPull,
    ServerSentEvents,
    ShortPoll,
    Strategy,
    Webhook,
    WebSocketPush,
)
from lab.strategies.short_poll import Pull
from lab.trace import Fate, Trace
from lab.workload import Constant, Periodic, Poisson, Workload

Rng = np.random.Generator
Run = Callable[[Scenario, Strategy], Trace]
CHUNK = 10
FINDINGS = (  # what a run may raise: whatever it is, it is a finding
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
)
DRAIN = 30.0  # seconds; everything drawn here is over much sooner


class Schedule(NamedTuple):
    """What one seed stands for; `only` are the faults kept, `messages` how many are."""

    seed: int
    only: tuple[int, ...] | None = None
    messages: int | None = None

    def command(self, engine: str) -> str:
        """Return the command line that repeats it."""
        line = f"pushpull torture --engine {engine} --schedules 1 --seed {self.seed}"
        if self.only is not None:
            line += " --only " + (",".join(map(str, self.only)) or "none")
        return line if self.messages is None else f"{line} --messages {self.messages}"

    def scenario(self) -> Scenario:
        """Return the experiment, which has one strategy."""
        whole = draw(self.seed)
        changes: dict[str, Any] = {}
        if self.only is not None:
            changes["faults"] = [whole.faults[i] for i in self.only]
        if self.messages is not None:
            created = whole.workload.draw(0).created[: self.messages]
            shorter = {"duration": float(created[-1]) + 1e-6}
            changes["workload"] = whole.workload.model_copy(update=shorter)
        return whole.model_copy(update=changes)


@dataclass(frozen=True)
class Failure:
    """A schedule on which a promise was broken: what was found, and how to repeat it."""

    seed: int
    what: str
    reproduce: str


@dataclass
class Outcome:
    """What became of all schedules."""

    engine: str
    schedules: int = 0
    messages: int = 0
    unaccounted: int = 0
    violations: list[Failure] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def draw(seed: int) -> Scenario:
    """Return the experiment that `seed` stands for."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(99,)))
    strategy = _strategy(rng)
    duration = float(rng.uniform(0.2, 1.5))
    rate = float(rng.uniform(10, 60))
    consumers = int(rng.choice([2, 3] if strategy.shared else [1, 1, 2]))
    strategy = _begins(
        strategy, np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(98,)))
    )
    arrivals = Poisson(rate=rate) if rng.random() < 0.5 else Periodic(rate=rate)
    work = float(rng.choice([0.0, 0.001, 0.03]))  # the last often has a crash in its middle
    workload = Workload(
        arrivals=arrivals,
        work=Constant(value=work),
        duration=duration,
        consumers=consumers,
        seed=int(rng.integers(2**31)),
    )
    faults = [_fault(rng, duration, consumers) for _ in range(int(rng.integers(0, 5)))]
    acks = str(rng.choice(["none", "retry", "idempotent"]))
    kept = {"count": int(rng.integers(3, 20))} if rng.random() < 0.15 else {}
    if kept and hasattr(strategy, "max_records"):
        most = min(strategy.max_records, kept["count"])
        least = {"min_records": 1} if hasattr(strategy, "min_records") else {}
        strategy = strategy.model_copy(update={"max_records": most, **least})
    return Scenario(
        name="torture",
        workload=workload,
        strategies=[strategy],
        faults=apart(sorted(faults, key=lambda fault: fault.at)),
        producer=Producer(acks=acks, timeout=0.3, in_flight=int(rng.choice([1, 5, 100]))),
        durable=bool(rng.random() < 0.4),
        retention=Retention(**kept),
        drain=DRAIN,
    )


def _begins(strategy: Strategy, rng: Rng) -> Strategy:
    """Have one in five consumers that have a cursor of their own begin somewhere on the way."""
    own = isinstance(strategy, Pull) and not strategy.shared
    if not own or getattr(strategy, "destructive", False) or rng.random() > 0.2:
        return strategy
    places = (
        {"begin": "latest"},
        {"from_offset": int(rng.integers(30))},
        {"from_time": float(rng.uniform(0.0, 1.0))},
    )
    return strategy.model_copy(update=places[int(rng.integers(len(places)))])


def _strategy(rng: Rng) -> Strategy:
    kind = int(rng.integers(9))
    most = int(rng.choice([1, 5, 100]))
    commit = str(rng.choice(["after_work", "before_work", "each"]))
    push = {"timeout": 0.4, "retry_first": 0.05, "retry_limit": 0.5, "attempts": 20}
    pull = {"max_records": most, "commit": commit, "timeout": 0.4}
    buffer = {} if rng.random() < 0.7 else {"buffer": int(rng.integers(2, 10))}
    overflow = str(rng.choice(["drop_newest", "drop_oldest", "block", "disconnect"]))
    acked = {"acks": True, "credits": most, "ack_on": str(rng.choice(["work", "receipt"]))}
    flags = {"replay": bool(rng.random() < 0.5)}
    if kind == 0:
        return WebSocketPush(**buffer, **flags, overflow=overflow)
    if kind == 1:
        return WebSocketPush(**acked, **buffer, **flags, overflow=overflow)
    if kind == 2:
        return ServerSentEvents(**buffer, **flags, overflow=overflow)
    if kind == 3:
        several = {"concurrency": int(rng.choice([1, 4])), "adaptive": bool(rng.random() < 0.3)}
        return Webhook(**push, **several, idempotent=bool(rng.random() < 0.3))
    if kind == 4:
        return HttpIngest(**push, concurrency=int(rng.choice([1, 4])))
    if kind == 5:
        return ShortPoll(interval=0.05, **pull, destructive=bool(rng.random() < 0.3))
    if kind == 6:
        return PollThenPull(interval=0.05, **pull)
    if kind == 7:
        return LongPoll(**pull, max_wait=0.3)
    commit = "before_work" if commit == "before_work" else "after_work"
    few = {"partitions": int(rng.integers(1, 5)), "max_records": most, "commit": commit}
    times = {"session_timeout": 0.3, "heartbeat": 0.1, "max_poll": 1.0, "timeout": 0.4}
    return ConsumerGroup(**few, **times, max_wait=0.2)


def _fault(rng: Rng, duration: float, consumers: int) -> Fault:
    kind = FAULTS[int(rng.integers(len(FAULTS)))]
    found: dict[str, Any] = {"at": round(float(rng.uniform(0, 0.99 * duration)), 4)}
    if kind.model_fields["duration"].default:
        found["duration"] = round(float(rng.uniform(0.05, 0.5)), 4)
    if "consumer" in kind.model_fields:
        found["consumer"] = int(rng.integers(consumers))
    if issubclass(kind, LinkFault):
        found["link"] = str(rng.choice(["ingest", "delivery", "delivery"]))
    if kind is StalledLoop:
        found["side"] = str(rng.choice(["source", "broker", "target"]))
    return kind(**found)


def apart(faults: Sequence[Fault]) -> list[Fault]:
    """Return the faults without those that would kill what is dead already."""
    kept: list[Fault] = []
    for fault in faults:
        same = [k for k in kept if type(k) is type(fault) and _victim(k) == _victim(fault)]
        killer = isinstance(fault, ConsumerCrash | BrokerRestart)
        if not (killer and any(k.until >= fault.at for k in same)):
            kept.append(fault)
    return kept


def _victim(fault: Fault) -> Any:
    return getattr(fault, "consumer", None)


def judge(schedule: Schedule, run: Run) -> tuple[str, int, int]:
    """Return what is wrong with a schedule ("" if nothing), its rows, and those without a fate."""
    scenario = schedule.scenario()
    try:
        trace = run(scenario, scenario.strategies[0])
    except FINDINGS as error:
        return f"{type(error).__name__}: {error}", 0, 0
    open_rows = int((trace.fate == Fate.IN_FLIGHT).sum())
    found = check(trace)
    if found:
        first = found[0]
        return f"{first.kind}: message {first.message}: {first.text}", len(trace), open_rows
    if open_rows:
        return f"{open_rows} of {len(trace)} messages still in flight", len(trace), open_rows
    return "", len(trace), 0


def shrink(schedule: Schedule, run: Run) -> Schedule:
    """Return a smaller schedule that fails, too: fewer faults, then fewer messages."""
    whole = schedule.scenario()
    only = list(range(len(whole.faults))) if schedule.only is None else list(schedule.only)
    for fault in list(only):
        fewer = tuple(i for i in only if i != fault)
        if judge(schedule._replace(only=fewer), run)[0]:
            only.remove(fault)
    small = schedule._replace(only=tuple(only))
    count = (schedule.messages or len(whole.workload.draw(0))) // 2
    while count and judge(small._replace(messages=count), run)[0]:
        small, count = small._replace(messages=count), count // 2
    return small


def simulated(scenario: Scenario, strategy: Strategy) -> Trace:
    """Simulate with the costs of the reference machine, always at its typical speed."""
    from lab.engines.simulation import simulate
    from lab.physics import reference

    return simulate(scenario, strategy, reference().physics.steady())


def _some(seeds: Sequence[int]) -> tuple[int, int, list[Failure]]:
    """Try some schedules in this process."""
    rows = unaccounted = 0
    failures = []
    for seed in seeds:
        what, count, open_rows = judge(Schedule(seed), simulated)
        rows, unaccounted = rows + count, unaccounted + open_rows
        if what:
            small = shrink(Schedule(seed), simulated)
            failures.append(Failure(seed, judge(small, simulated)[0], small.command("simulation")))
    return rows, unaccounted, failures


def try_one(schedule: Schedule) -> Outcome:
    """Try one schedule in simulation, as it is."""
    what, rows, open_rows = judge(schedule, simulated)
    failures = [Failure(schedule.seed, what, schedule.command("simulation"))] if what else []
    return Outcome("simulation", 1, rows, open_rows, failures)


def simulate_all(seeds: range, workers: int = 2, progress: Progress = silent) -> Outcome:
    """Try the schedules of `seeds` in simulation."""
    outcome = Outcome("simulation")
    chunks = [seeds[i : i + CHUNK] for i in range(0, len(seeds), CHUNK)]
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for chunk, (rows, open_rows, failures) in zip(chunks, pool.map(_some, chunks), strict=True):
            outcome.schedules += len(chunk)
            outcome.messages += rows
            outcome.unaccounted += open_rows
            outcome.violations += failures
            progress("torturing the simulation", outcome.schedules, len(seeds))
    return outcome


def measure_all(schedules: Sequence[Schedule], progress: Progress = silent) -> Outcome:
    """Try schedules on real connections and processes."""
    from lab.engines.loopback import Session  # needs sockets, which simulation does not

    outcome = Outcome("loopback")
    with Session() as session:
        for done, schedule in enumerate(schedules):
            progress("torturing the loopback engine", done, len(schedules))
            what, rows, open_rows = judge(schedule, session.measure)
            outcome.schedules += 1
            outcome.messages += rows
            outcome.unaccounted += open_rows
            if what:
                outcome.violations.append(
                    Failure(schedule.seed, what, schedule.command("loopback"))
                )
    return outcome


def lines(outcome: Outcome) -> Iterator[str]:
    """Yield what a person reads of an outcome."""
    yield (
        f"{outcome.schedules:,} schedules, {outcome.messages:,} messages,"
        f" {outcome.unaccounted:,} unaccounted for, {len(outcome.violations):,} broken promises"
    )
    for failure in outcome.violations:
        yield f"{failure.what}\n  {failure.reproduce}"
