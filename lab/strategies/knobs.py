"""The knobs of a strategy: their names, what they are by default, and what else they may be."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from lab.strategies import Strategy


class Knob(NamedTuple):
    """A knob as one writes it: `default` and `allowed` as in a label."""

    name: str
    default: str
    allowed: str


def knobs(strategy: type[Strategy]) -> Iterator[Knob]:
    """Yield the knobs of a strategy, in the order in which labels have them."""
    for name, told in strategy.model_json_schema()["properties"].items():
        if name != "kind" and told.get("type") != "null":  # null: a knob that cannot be turned
            yield Knob(name, str(told.get("default")), _allowed(told))


def _allowed(told: dict[str, Any]) -> str:
    """Say what a value may be, by the schema of it."""
    choices = [part for part in told.get("anyOf", [told]) if part.get("type") != "null"]
    return " or ".join(_one(part) for part in choices)


def _one(part: dict[str, Any]) -> str:
    if "const" in part:
        return f"{part['const']} only"
    if "enum" in part:
        return ", ".join(map(str, part["enum"]))
    kinds = {"boolean": "True or False", "integer": "a whole number", "number": "a number"}
    kind = kinds.get(part.get("type", ""), "a value")
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to"}
    limits = [f"{word} {part[key]:,g}" for key, word in words.items() if key in part]
    most = [limit for limit in limits if not limit.startswith("to") or part["maximum"] < 1e9]
    return " ".join([kind, *most])
