"""Which points of a plan belong together: those that differ in rate alone, or size, and near ones."""

import json
import math
from collections.abc import Sequence
from typing import Any

from lab.strategies import Exchange, Strategy
from lab.validation.observed import Observation, Point

UNIMPORTANT = {"duration", "warm_up", "seed"}  # of a workload, to what its latencies are like


def family(point: Point) -> str:
    """Return all that matters of a point but its rate; equal for points of one family."""
    return _all_but(point, UNIMPORTANT)


def kind(point: Point) -> str:
    """Return all that matters of a point but its rate and size; equal for points of one kind."""
    return _all_but(point, UNIMPORTANT | {"size"})


def _all_but(point: Point, some: set[str]) -> str:
    scenario = point.scenario
    workload = scenario.workload.model_dump(mode="json", exclude=some)
    workload["arrivals"].pop("rate", None)
    retention = scenario.retention.model_dump(mode="json")
    return json.dumps(
        [point.strategy.label, scenario.processes, workload, retention], sort_keys=True
    )


def rate(point: Point) -> float:
    """Return the messages that are created per second, on average."""
    return point.scenario.workload.arrivals.mean_rate


def size(point: Point) -> float:
    """Return the bytes of a message, on average."""
    return point.scenario.workload.size.mean


def relatives(point: Point, fitted: Sequence[Observation]) -> list[Observation]:
    """Return the family of `fitted`, in order of its rates, that is nearest to `point`.

    That is one of the same strategy if there is any, or else one whose messages travel over the
    same kind of wire; of those the one that shares the most knobs, has the most equal values of
    them, and then the nearest size. Empty if there is none.
    """
    near = [o for o in fitted if _wire(o.point.strategy) == _wire(point.strategy)]
    near.sort(key=lambda o: (_distance(point, o.point), rate(o.point)))
    return [o for o in near if family(o.point) == family(near[0].point)]


def _wire(strategy: Strategy) -> tuple[Any, ...]:
    wire = strategy.wire
    return type(wire), wire.server if isinstance(wire, Exchange) else None


def _distance(point: Point, other: Point) -> tuple[float, ...]:
    """Return in what two points differ, from strategy to size: the first difference counts most."""
    mine, its = dict(point.strategy), dict(other.strategy)
    turned = set(point.strategy.changes()) ^ set(other.strategy.changes())
    different = [name for name in mine.keys() & its.keys() - {"kind"} if mine[name] != its[name]]
    return (
        point.strategy.name != other.strategy.name,
        len(mine.keys() ^ its.keys()),
        len(turned),
        len(different),
        abs(math.log(max(1.0, size(point)) / max(1.0, size(other)))),
        abs(point.scenario.workload.consumers - other.scenario.workload.consumers),
    )
