"""The experiment: a question, a workload, and the strategies that are to face it."""

import re
from collections.abc import Mapping
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    model_validator,
)

from lab import roles
from lab.description import (
    Count,
    Description,
    Flag,
    InvalidInput,
    Natural,
    Number,
    PositiveSeconds,
    no_such,
)
from lab.faults import AnyFault, BrokerRestart, ConsumerCrash
from lab.strategies import STRATEGIES, Strategy
from lab.strategies.short_poll import Pull
from lab.workload import Workload

if TYPE_CHECKING:
    KnownStrategy = Strategy
else:
    KnownStrategy = Annotated[reduce(or_, STRATEGIES), Field(discriminator="kind")]

NAME = re.compile(r"[A-Za-z0-9_-]{1,60}")  # names become folders
VERSION = 1  # of scenario files
QUICK_SECONDS = 1.5


def _pass_instances(value: Any, known: ValidatorFunctionWrapHandler) -> Strategy:
    """Accept a strategy object of any class, and plain data of the listed ones."""
    return value if isinstance(value, Strategy) else known(value)


AnyStrategy = Annotated[
    KnownStrategy,
    WrapValidator(_pass_instances),
    PlainSerializer(lambda s: s.model_dump(mode="json", exclude_defaults=True) | {"kind": s.name}),
]


def _known(version: int) -> int:
    if version != VERSION:
        raise ValueError(f"need {VERSION}")
    return version


def _plain(name: str) -> str:
    if not NAME.fullmatch(name):
        raise ValueError("need 1 to 60 letters, digits, - and _")
    return name


class Retention(Description):
    """What a broker's log keeps: `count` records, `bytes` bytes, and nothing older than `age` s."""

    count: Count | None = None
    bytes: Count | None = None
    age: PositiveSeconds | None = None

    def limits(self) -> roles.Retention:
        kept = {name: limit for name, limit in self if limit is not None}
        return roles.Retention(**kept)


class Producer(Description):
    """Whether the producer has its messages acknowledged, and what it does if one is not.

    With "retry" it sends again what is not accepted within `timeout`, with at most `in_flight` under
    way; "idempotent" adds sequence numbers by which the broker tells a repetition.
    """

    acks: Literal["none", "retry", "idempotent"] = "none"
    timeout: PositiveSeconds = 1.0
    in_flight: Count = 100

    def policy(self) -> roles.PublishPolicy:
        return roles.PublishPolicy(self.acks, self.timeout, self.in_flight)


class Scenario(Description):
    """One experiment, to be simulated, measured and compared.

    `processes` says whether source, broker and target are separate processes or one. In quick
    mode the duration is `quick_duration`, by default 1.5 seconds at most. What takes too long in
    real time is measured `speed_up` times as fast: the same messages that much closer together,
    and polls that much more often. A `durable` log, and the cursors in it, survive a restart of the
    broker. `faults` is what goes wrong; `poison` are the numbers of messages on which work fails. Every
    `sample` seconds it is noted where how many messages wait. The system's sockets hold what they like,
    some megabytes, and more if their reader is fast; with `socket_buffer` those of streams hold about so
    many bytes, each way.
    """

    version: Annotated[Natural, AfterValidator(_known)] = VERSION
    name: Annotated[str, AfterValidator(_plain)] = "scenario"
    question: str = ""
    workload: Workload
    strategies: Annotated[list[AnyStrategy], Field(min_length=1, max_length=50)]
    processes: Literal["separate", "one"] = "separate"
    retention: Retention = Retention()
    producer: Producer = Producer()
    durable: Flag = False
    faults: list[AnyFault] = Field(default=[], max_length=1000)
    sample: PositiveSeconds | None = None
    socket_buffer: Annotated[Count, Field(ge=20_000, le=800_000)] | None = None
    poison: list[Natural] = Field(default=[], max_length=1000)
    replications: Annotated[Count, Field(le=1000)] = 5
    drain: PositiveSeconds = 10.0
    quick_duration: PositiveSeconds | None = None
    speed_up: Annotated[Number, Field(ge=1)] = 1.0

    @model_validator(mode="after")
    def _faults_fit(self) -> Self:
        for i, fault in enumerate(self.faults):
            where = f"faults[{i}]: {fault}"
            if fault.at > self.workload.duration:
                raise ValueError(f"need faults before the end, got {where}")
            if getattr(fault, "consumer", 0) >= self.workload.consumers:
                raise ValueError(f"need a consumer that is there, got {where}")
            if self.processes == "one" and isinstance(fault, ConsumerCrash | BrokerRestart):
                raise ValueError(f"need separate processes to end one, got {where}")
        return self

    @model_validator(mode="after")
    def _fits(self) -> Self:
        kept = self.retention.count
        for strategy in self.strategies:
            if kept and isinstance(strategy, Pull) and strategy.max_records > kept:
                raise ValueError(
                    f"need retention of at least a batch: {strategy.label} takes up to"
                    f" {strategy.max_records} records, the log keeps {kept}"
                )
        labels = [s.label for s in self.strategies]
        for label in labels:
            if labels.count(label) > 1:
                raise ValueError(f"need different strategies, got {label} twice")
        return self

    def quick(self) -> "Scenario":
        """Return the same scenario made short: less time and three replications at most."""
        limit = self.quick_duration or QUICK_SECONDS
        changes: dict[str, Any] = {
            "workload": _shorten(self.workload, limit),
            "replications": min(self.replications, 3),
        }
        return self.model_copy(update=changes)

    def warnings(self) -> list[str]:
        """Say what makes steady-state figures of this scenario meaningless, if anything does."""
        shared = all(strategy.shared for strategy in self.strategies)
        busy = self.workload.utilisation / (self.workload.consumers if shared else 1)
        if busy < 1:
            return []
        text = "the backlog grows and latency depends on how long the run lasts"
        return [f"unstable: each consumer needs {busy:.2f} s of work per second; {text}"]


def recorded(manifest: Mapping[str, Any]) -> tuple[Scenario, Strategy] | None:
    """Return what was run, if a trace's manifest says so in a way that this version understands."""
    plain, index = manifest.get("scenario"), manifest.get("strategy_index")
    if not isinstance(index, int):
        return None
    try:
        scenario = Scenario.read(plain, "manifest")
        return scenario, scenario.strategies[index]
    except (InvalidInput, IndexError):
        return None


def pace(scenario: Scenario, manifest: Mapping[str, Any]) -> float:
    """Return how many times as fast as `scenario` says the run of a manifest went."""
    return scenario.speed_up if manifest.get("engine") == "loopback" else 1.0


def _shorten(workload: Workload, limit: float) -> Workload:
    if workload.duration <= limit:
        return workload
    warm_up = workload.warm_up * limit / workload.duration
    return workload.model_copy(update={"duration": limit, "warm_up": warm_up})


def override(scenario: Scenario, settings: list[str]) -> Scenario:
    """Return `scenario` with `settings` like `workload.arrivals.rate=200` put in and checked.

    `strategy.interval=0.2` sets that knob of every strategy that has it, and
    `strategy.ShortPoll.interval=0.2` of the short polls only.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals or not path:
            raise InvalidInput(f"--set {setting}: need path.to.field=value")
        data = scenario.model_dump(mode="json", exclude_none=True)
        keys = path.split(".")
        if keys[0] == "strategy":
            _set_strategies(scenario, data, keys[1:], _value(text), setting)
        else:
            _set(data, keys, _value(text), setting)
        _restore(scenario, data, setting)
        scenario = Scenario.read(data, f"--set {setting}")
    return scenario


def _restore(scenario: Scenario, data: dict[str, Any], setting: str) -> None:
    """Read back the strategies whose class is not a listed one, which plain data do not tell."""
    classes = [type(strategy) for strategy in scenario.strategies]
    plain = data["strategies"]
    if isinstance(plain, list) and len(plain) == len(classes):
        data["strategies"] = [
            item if cls in STRATEGIES else cls.read(_without_kind(item), f"--set {setting}")
            for cls, item in zip(classes, plain, strict=True)
        ]


def _without_kind(plain: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in plain.items() if key != "kind"}


def _set_strategies(
    scenario: Scenario, data: dict[str, Any], keys: list[str], value: Any, setting: str
) -> None:
    names = {s.name for s in scenario.strategies}
    wanted = names
    if keys and keys[0] in names:
        wanted, keys = {keys[0]}, keys[1:]
    found = False
    for strategy, plain in zip(scenario.strategies, data["strategies"], strict=True):
        if len(keys) == 1 and strategy.name in wanted and keys[0] in type(strategy).model_fields:
            plain[keys[0]] = value
            found = True
    if not found:
        known = {k for s in scenario.strategies for k in type(s).model_fields} - {"kind"}
        wrong = ".".join(keys)
        need = no_such(wrong, sorted(known | names), "knob")
        raise InvalidInput(f"--set {setting}: '{wrong}': {need}")


def _set(data: dict[str, Any], keys: list[str], value: Any, setting: str) -> None:
    for key in keys[:-1]:
        inner = data.setdefault(key, {})
        if not isinstance(inner, dict):
            raise InvalidInput(f"--set {setting}: '{key}' has no fields inside")
        data = inner
    data[keys[-1]] = value


def _value(text: str) -> Any:
    """Read a value as TOML would; what TOML does not know is a string."""
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
